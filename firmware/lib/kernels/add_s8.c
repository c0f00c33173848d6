#include "add_s8.h"

#include "requantize.h"

// Headroom that the reference gives both operands before it scales them to a common scale.
enum { LEFT_SHIFT = 20 };

static inline int32_t scale(const struct add_operand *operand, int8_t x) {
  int32_t value = (x + operand->offset) * (1 << LEFT_SHIFT);
  return requantize(value, operand->multiplier, operand->shift);
}

static inline const int8_t *operand_row(const struct add_operand *operand, struct input_rows rows,
                                        int32_t batch, int32_t y) {
  return input_row(rows, batch * operand->stride[0] + y * operand->stride[1], operand->row_bytes);
}

static void add_row(const struct add_params *p, const int8_t *a, const int8_t *b, int8_t *output) {
  for (int32_t column = 0; column < p->shape[2]; ++column) {
    const int8_t *x = a + column * p->a.stride[2];
    const int8_t *y = b + column * p->b.stride[2];
    for (int32_t channel = 0; channel < p->shape[3]; ++channel) {
      int32_t sum = scale(&p->a, *x) + scale(&p->b, *y);
      int32_t z = requantize(sum, p->output_multiplier, p->output_shift) + p->output_offset;
      *output++ = (int8_t)clamp(z, p->output_min, p->output_max);
      x += p->a.stride[3];
      y += p->b.stride[3];
    }
  }
}

void add_s8(const struct add_params *params, struct input_rows a, struct input_rows b,
            struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t height = params->shape[1];
  for (int32_t row = first_row; row < end_row; ++row) {
    int32_t batch = row / height;
    int32_t y = row % height;
    add_row(params, operand_row(&params->a, a, batch, y), operand_row(&params->b, b, batch, y),
            output_row(output, row, params->shape[2] * params->shape[3]));
  }
}
