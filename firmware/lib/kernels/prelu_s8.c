#include "prelu_s8.h"

#include "requantize.h"

static inline int8_t rectify(const void *params, int8_t input, int8_t alpha) {
  const struct prelu_params *p = params;
  int32_t x = input + p->input_offset;
  int32_t y =
      x >= 0 ? requantize(x, p->positive_multiplier, p->positive_shift)
             : requantize(x * (alpha + p->alpha_offset), p->negative_multiplier, p->negative_shift);
  return (int8_t)clamp(y + p->output_offset, INT8_MIN, INT8_MAX);
}

void prelu_s8(const struct prelu_params *params, struct input_rows input, struct input_rows alpha,
              struct output_rows output, int32_t first_row, int32_t end_row) {
  broadcast_rows(&params->broadcast, input, alpha, output, first_row, end_row, rectify, params);
}
