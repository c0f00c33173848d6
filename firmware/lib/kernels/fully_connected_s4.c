#include "fully_connected_s4.h"

#include "dot_s4.h"
#include "finish_output.h"

// `restrict`: stores of int8 would otherwise make the compiler read the parameters again.
void fully_connected_s4(const struct fully_connected_params *restrict params,
                        const int8_t *restrict input, int8_t *restrict output) {
  int32_t inputs = (int32_t)params->inputs;
  int32_t outputs = (int32_t)params->outputs;
  for (uint32_t row = 0; row < params->rows; ++row) {
    const int8_t *pairs = params->filter;
    for (int32_t channel = 0, count; channel < outputs; channel += count) {
      int32_t acc[4] = {0};
      count = outputs - channel < 4 ? outputs - channel : 4;
      for (int32_t i = 0; i < count; ++i) {
        acc[i] = params->bias[channel + i];
      }
      if (count > 2) {
        dot_4_s4(input, params->input_offset, pairs, inputs, inputs, acc);
      } else {
        dot_2_s4(input, params->input_offset, pairs, inputs, acc);
      }
      for (int32_t i = 0; i < count; ++i) {
        *output++ = finish_output(params, acc[i], channel + i);
      }
      pairs += (count + 1) / 2 * inputs;
    }
    input += inputs;
  }
}
