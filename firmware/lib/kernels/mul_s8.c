#include "mul_s8.h"

#include "requantize.h"

static inline int8_t multiply(const void *params, int8_t x, int8_t y) {
  const struct mul_params *p = params;
  int32_t product = (x + p->a_offset) * (y + p->b_offset);
  int32_t z = requantize(product, p->multiplier, p->shift) + p->output_offset;
  return (int8_t)clamp(z, p->output_min, p->output_max);
}

void mul_s8(const struct mul_params *params, struct input_rows a, struct input_rows b,
            struct output_rows output, int32_t first_row, int32_t end_row) {
  broadcast_rows(&params->broadcast, a, b, output, first_row, end_row, multiply, params);
}
