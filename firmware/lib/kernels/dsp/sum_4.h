// Sums of four channels at once.
#ifndef ESPALIER_KERNELS_DSP_SUM_4_H_
#define ESPALIER_KERNELS_DSP_SUM_4_H_

#include "simd.h"

// A lane of 16 bits holds the sum of so many bytes.
enum { SUM_4_CAPACITY = 256 };

struct sum_4 {
  uint32_t even, odd;  // channels 0 and 2, 1 and 3
};

// Adds the four bytes at x, x + step, ... : `count` pixels.
static inline struct sum_4 sum_4_add(struct sum_4 sum, const int8_t *x, int32_t step,
                                     int32_t count) {
  for (; count > 0; --count) {
    uint32_t word = load_word(x);
    sum.even = sxtab16(sum.even, word);
    sum.odd = sxtab16_ror8(sum.odd, word);
    x += step;
  }
  return sum;
}

#endif  // ESPALIER_KERNELS_DSP_SUM_4_H_
