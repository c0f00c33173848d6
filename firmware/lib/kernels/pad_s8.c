#include "pad_s8.h"

#include <string.h>

static int8_t *fill(int8_t *output, int8_t value, uint32_t count) {
  memset(output, value, count);
  return output + count;
}

void pad_s8(const struct pad_params *params, const int8_t *input, int8_t *output) {
  const uint16_t *shape = params->input_shape;
  const uint16_t *before = params->before;
  const uint16_t *after = params->after;
  // Elements in one step of each axis of the output.
  uint32_t pixel = (uint32_t)before[3] + shape[3] + after[3];
  uint32_t row = pixel * ((uint32_t)before[2] + shape[2] + after[2]);
  uint32_t plane = row * ((uint32_t)before[1] + shape[1] + after[1]);
  output = fill(output, params->value, before[0] * plane);
  for (uint32_t i = 0; i < shape[0]; ++i) {
    output = fill(output, params->value, before[1] * row);
    for (uint32_t j = 0; j < shape[1]; ++j) {
      output = fill(output, params->value, before[2] * pixel);
      for (uint32_t k = 0; k < shape[2]; ++k) {
        output = fill(output, params->value, before[3]);
        memcpy(output, input, shape[3]);
        output = fill(output + shape[3], params->value, after[3]);
        input += shape[3];
      }
      output = fill(output, params->value, after[2] * pixel);
    }
    output = fill(output, params->value, after[1] * row);
  }
  fill(output, params->value, after[0] * plane);
}
