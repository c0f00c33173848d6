#include "flip_sign_8.h"

void flip_sign_8(const struct flip_sign_params *params, struct input_rows input,
                 struct output_rows output, int32_t first_row, int32_t end_row) {
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(input, row, params->row_bytes);
    int8_t *y = output_row(output, row, params->row_bytes);
    for (const int8_t *end = x + params->row_bytes; x < end; ++x) {
      *y++ = (int8_t)(*x ^ INT8_MIN);
    }
  }
}
