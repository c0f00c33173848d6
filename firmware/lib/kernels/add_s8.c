#include "add_s8.h"

#include "requantize.h"

// Headroom that the reference gives both operands before it scales them to a common scale.
enum { LEFT_SHIFT = 20 };

static inline int32_t scale(const struct add_operand *operand, int8_t x) {
  int32_t value = (x + operand->offset) * (1 << LEFT_SHIFT);
  return requantize(value, operand->multiplier, operand->shift);
}

void add_s8(const struct add_params *params, const int8_t *a, const int8_t *b, int8_t *output) {
  const uint32_t *as = params->a.stride;
  const uint32_t *bs = params->b.stride;
  for (uint32_t i = 0; i < params->shape[0]; ++i) {
    for (uint32_t j = 0; j < params->shape[1]; ++j) {
      for (uint32_t k = 0; k < params->shape[2]; ++k) {
        const int8_t *x = a + i * as[0] + j * as[1] + k * as[2];
        const int8_t *y = b + i * bs[0] + j * bs[1] + k * bs[2];
        for (uint32_t l = 0; l < params->shape[3]; ++l) {
          int32_t sum = scale(&params->a, *x) + scale(&params->b, *y);
          int32_t z = requantize(sum, params->output_multiplier, params->output_shift) +
                      params->output_offset;
          *output++ = (int8_t)clamp(z, params->output_min, params->output_max);
          x += as[3];
          y += bs[3];
        }
      }
    }
  }
}
