#include "fully_connected_double_s8.h"

#include "dot_s8.h"
#include "requantize.h"

// Nearest integer, ties away from zero, as C's round(); |x| < 2^31.
static int32_t round_half_away(double x) {
  int32_t whole = (int32_t)x;
  double rest = x - whole;  // exact
  if (rest >= 0.5) {
    return whole + 1;
  }
  return rest <= -0.5 ? whole - 1 : whole;
}

void fully_connected_double_s8(const struct fully_connected_double_params *params,
                               const int8_t *input, int8_t *output) {
  int32_t inputs = (int32_t)params->inputs;
  for (uint32_t row = 0; row < params->rows; ++row) {
    const int8_t *filter = params->filter;
    for (uint32_t channel = 0; channel < params->outputs; ++channel) {
      int32_t acc = params->bias[channel] + dot_s8(input, params->input_offset, filter, inputs);
      double factor = params->factor[params->per_channel ? channel : 0];
      int32_t y = round_half_away(acc * factor) + params->output_offset;
      *output++ = (int8_t)clamp(y, params->output_min, params->output_max);
      filter += inputs;
    }
    input += inputs;
  }
}
