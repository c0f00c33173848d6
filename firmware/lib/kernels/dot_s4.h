// Dot products of int8 vectors with weights of four bits, two filters at a time.
//
// Two filters lie in one array of bytes, side by side: a byte holds a weight of the first in its
// low half and the same weight of the second in its high half, both in two's complement. So a
// weight is found where it would be if it had a byte of its own.
#ifndef ESPALIER_KERNELS_DOT_S4_H_
#define ESPALIER_KERNELS_DOT_S4_H_

#include <stdint.h>

static inline int32_t low_half(int8_t pair) { return (int32_t)((uint32_t)pair << 28) >> 28; }
static inline int32_t high_half(int8_t pair) { return pair >> 4; }

// acc[2 * i] and acc[2 * i + 1] += sum over k of (x[k] + offset) * filter i, which begins at
// pairs + i * stride, for i in 0 and 1. Four filters share each load of x.
static inline void dot_4_s4(const int8_t *x, int32_t offset, const int8_t *pairs, int32_t stride,
                            int32_t length, int32_t acc[4]) {
  const int8_t *f0 = pairs;
  const int8_t *f1 = pairs + stride;
  int32_t a0 = acc[0];
  int32_t a1 = acc[1];
  int32_t a2 = acc[2];
  int32_t a3 = acc[3];
  for (int32_t k = 0; k < length; ++k) {
    int32_t value = x[k] + offset;
    a0 += value * low_half(f0[k]);
    a1 += value * high_half(f0[k]);
    a2 += value * low_half(f1[k]);
    a3 += value * high_half(f1[k]);
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

// The same for one pair of filters.
static inline void dot_2_s4(const int8_t *x, int32_t offset, const int8_t *pairs, int32_t length,
                            int32_t acc[2]) {
  int32_t a0 = acc[0];
  int32_t a1 = acc[1];
  for (int32_t k = 0; k < length; ++k) {
    int32_t value = x[k] + offset;
    a0 += value * low_half(pairs[k]);
    a1 += value * high_half(pairs[k]);
  }
  acc[0] = a0;
  acc[1] = a1;
}

#endif  // ESPALIER_KERNELS_DOT_S4_H_
