#include "arg_max_s8.h"

static uint32_t position_of_largest(const int8_t *x, uint32_t length, uint32_t stride) {
  uint32_t largest = 0;
  for (uint32_t i = 1; i < length; ++i) {
    if (x[i * stride] > x[largest * stride]) {
      largest = i;
    }
  }
  return largest;
}

void arg_max_s8(const struct arg_max_params *params, const void *input, void *output) {
  const int8_t *x = input;
  uint32_t *y = output;
  for (uint32_t outer = 0; outer < params->outer; ++outer) {
    for (uint32_t inner = 0; inner < params->inner; ++inner) {
      *y++ = position_of_largest(x + inner, params->length, params->inner);
      // The upper half of an int64, as the cores of all boards order it.
      if (params->words == 2) {
        *y++ = 0;
      }
    }
    x += params->length * params->inner;
  }
}
