#include "mean_s8.h"

#include "requantize.h"

void mean_s8(const struct mean_params *params, const int8_t *input, int8_t *output) {
  for (uint32_t outer = 0; outer < params->outer; ++outer) {
    for (uint32_t inner = 0; inner < params->inner; ++inner) {
      int32_t sum = params->input_offset_sum;
      const int8_t *x = input + inner;
      for (uint32_t i = 0; i < params->reduced; ++i) {
        sum += *x;
        x += params->inner;
      }
      int32_t y = requantize(sum, params->multiplier, params->shift) + params->output_offset;
      *output++ = (int8_t)clamp(y, INT8_MIN, INT8_MAX);
    }
    input += params->reduced * params->inner;
  }
}
