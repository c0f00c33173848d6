#include "fully_connected_s8.h"

#include "dot_s8.h"
#include "finish_output.h"

// `restrict`: stores of int8 would otherwise make the compiler read the parameters again.
void fully_connected_s8(const struct fully_connected_params *restrict params,
                        const int8_t *restrict input, int8_t *restrict output) {
  int32_t inputs = (int32_t)params->inputs;
  int32_t outputs = (int32_t)params->outputs;
  for (uint32_t row = 0; row < params->rows; ++row) {
    const int8_t *filter = params->filter;
    int32_t channel = 0;
    for (; channel + 4 <= outputs; channel += 4) {
      int32_t acc[4];
      for (int i = 0; i < 4; ++i) {
        acc[i] = params->bias[channel + i];
      }
      dot_4_s8(input, params->input_offset, filter, inputs, inputs, acc);
      for (int i = 0; i < 4; ++i) {
        *output++ = finish_output(params, acc[i], channel + i);
      }
      filter += 4 * inputs;
    }
    for (; channel < outputs; ++channel) {
      int32_t acc = params->bias[channel] + dot_s8(input, params->input_offset, filter, inputs);
      *output++ = finish_output(params, acc, channel);
      filter += inputs;
    }
    input += inputs;
  }
}
