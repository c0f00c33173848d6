#include "reduce_max_s8.h"

#include <string.h>

void reduce_max_s8(const struct reduce_max_params *params, const int8_t *input, int8_t *output) {
  uint32_t inner = params->inner;
  for (uint32_t outer = 0; outer < params->outer; ++outer) {
    memcpy(output, input, inner);
    for (uint32_t i = 1; i < params->reduced; ++i) {
      const int8_t *x = input + i * inner;
      for (uint32_t k = 0; k < inner; ++k) {
        if (x[k] > output[k]) {
          output[k] = x[k];
        }
      }
    }
    input += params->reduced * inner;
    output += inner;
  }
}
