#include "flip_sign_8.h"

void flip_sign_8(const struct flip_sign_params *params, const void *input, void *output) {
  const uint8_t *x = input;
  uint8_t *y = output;
  for (const uint8_t *end = x + params->size; x < end; ++x) {
    *y++ = *x ^ 0x80;
  }
}
