#include "flip_sign_8.h"

// Four bytes at a time, from and to any address.
static inline void flip_word(const int8_t *from, int8_t *to) {
  uint32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  word ^= UINT32_C(0x80808080);
  __builtin_memcpy(to, &word, sizeof word);
}

void flip_sign_8(const struct flip_sign_params *params, struct input_rows input,
                 struct output_rows output, int32_t first_row, int32_t end_row) {
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(input, row, params->row_bytes);
    int8_t *y = output_row(output, row, params->row_bytes);
    const int8_t *end = x + params->row_bytes;
    for (; end - x >= 16; x += 16, y += 16) {
      flip_word(x, y);
      flip_word(x + 4, y + 4);
      flip_word(x + 8, y + 8);
      flip_word(x + 12, y + 12);
    }
    while (x < end) {
      *y++ = (int8_t)(*x++ ^ INT8_MIN);
    }
  }
}
