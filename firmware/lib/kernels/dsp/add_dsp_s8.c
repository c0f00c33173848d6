#include "add_dsp_s8.h"

#include "simd.h"

static inline int8_t add(const struct add_dsp_params *p, int32_t a, int32_t b) {
  int32_t sum = a * p->a_factor + b * p->b_factor;
  return (int8_t)SSAT8_ASR(smmla(sum, p->multiplier, p->offset), 20);
}

// Four elements; moves the pointers behind them.
static inline void add_4(const struct add_dsp_params *p, const int8_t **a, const int8_t **b,
                         int8_t **output) {
#if defined(__ARM_FEATURE_DSP)
  // Compilers move the pointers by instructions of their own.
  int32_t x, y;
  __asm__ volatile(
      ".rept 4\n"
      "ldrsb %[x], [%[a]], #1\n"
      "ldrsb %[y], [%[b]], #1\n"
      "mul %[x], %[x], %[a_factor]\n"
      "mla %[x], %[y], %[b_factor], %[x]\n"
      "smmla %[x], %[x], %[multiplier], %[offset]\n"
      "ssat %[x], #8, %[x], asr #20\n"
      "strb %[x], [%[output]], #1\n"
      ".endr\n"
      : [a] "+r"(*a), [b] "+r"(*b), [output] "+r"(*output), [x] "=&r"(x), [y] "=&r"(y)
      : [a_factor] "r"(p->a_factor), [b_factor] "r"(p->b_factor), [multiplier] "r"(p->multiplier),
        [offset] "r"(p->offset)
      : "memory");
#else
  for (int i = 0; i < 4; ++i) {
    *(*output)++ = add(p, *(*a)++, *(*b)++);
  }
#endif
}

void add_dsp_s8(const struct add_dsp_params *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row) {
  const struct add_dsp_params p = *params;
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(a, row, p.row_bytes);
    const int8_t *y = input_row(b, row, p.row_bytes);
    int8_t *z = output_row(output, row, p.row_bytes);
    const int8_t *end = x + p.row_bytes;
    while (end - x >= 4) {
      add_4(&p, &x, &y, &z);
    }
    while (x < end) {
      *z++ = add(&p, *x++, *y++);
    }
  }
}
