#include "mul_dsp_s8.h"

#include "simd.h"

static inline int8_t multiply(const struct mul_dsp_params *p, int32_t a, int32_t b) {
  int32_t product = (2 * a + p->a_offset) * (b + p->b_offset);
  int32_t rounding = p->rounding - (product < 0);
  return (int8_t)ssat8(smmlar(product, p->multiplier, rounding) >> p->shift);
}

// Four elements; moves the pointers behind them.
static inline void multiply_4(const struct mul_dsp_params *p, const int8_t **a, const int8_t **b,
                              int8_t **output) {
#if defined(__ARM_FEATURE_DSP)
  // Compilers move the pointers by instructions of their own.
  int32_t x, y;
  __asm__ volatile(
      ".rept 4\n"
      "ldrsb %[x], [%[a]], #1\n"
      "ldrsb %[y], [%[b]], #1\n"
      "add %[x], %[a_offset], %[x], lsl #1\n"
      "add %[y], %[y], %[b_offset]\n"
      "mul %[x], %[x], %[y]\n"
      "add %[y], %[rounding], %[x], asr #31\n"
      "smmlar %[x], %[x], %[multiplier], %[y]\n"
      "asr %[x], %[x], %[shift]\n"
      "ssat %[x], #8, %[x]\n"
      "strb %[x], [%[output]], #1\n"
      ".endr\n"
      : [a] "+r"(*a), [b] "+r"(*b), [output] "+r"(*output), [x] "=&r"(x), [y] "=&r"(y)
      : [a_offset] "r"(p->a_offset), [b_offset] "r"(p->b_offset), [multiplier] "r"(p->multiplier),
        [rounding] "r"(p->rounding), [shift] "r"(p->shift)
      : "memory");
#else
  for (int i = 0; i < 4; ++i) {
    *(*output)++ = multiply(p, *(*a)++, *(*b)++);
  }
#endif
}

void mul_dsp_s8(const struct mul_dsp_params *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row) {
  const struct mul_dsp_params p = *params;
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(a, row, p.row_bytes);
    const int8_t *b_row = input_row(b, row * p.b_rows, p.run);
    int8_t *z = output_row(output, row, p.row_bytes);
    for (int32_t left = p.row_bytes; left > 0; left -= p.run) {
      const int8_t *y = b_row;
      const int8_t *end = x + p.run;
      while (end - x >= 4) {
        multiply_4(&p, &x, &y, &z);
      }
      while (x < end) {
        *z++ = multiply(&p, *x++, *y++);
      }
    }
  }
}
