// Dot products of int8 vectors: the inner loops of convolution and fully connected layers.
#ifndef ESPALIER_KERNELS_DOT_S8_H_
#define ESPALIER_KERNELS_DOT_S8_H_

#include <stdint.h>

// acc[i] += sum over k of (x[k] + offset) * filter[i * filter_stride + k], for i in 0 .. 3.
// Four filters share each load of x.
static inline void dot_4_s8(const int8_t *x, int32_t offset, const int8_t *filter,
                            int32_t filter_stride, int32_t length, int32_t acc[4]) {
  const int8_t *f0 = filter;
  const int8_t *f1 = f0 + filter_stride;
  const int8_t *f2 = f1 + filter_stride;
  const int8_t *f3 = f2 + filter_stride;
  int32_t a0 = acc[0];
  int32_t a1 = acc[1];
  int32_t a2 = acc[2];
  int32_t a3 = acc[3];
  for (int32_t k = 0; k < length; ++k) {
    int32_t value = x[k] + offset;
    a0 += value * f0[k];
    a1 += value * f1[k];
    a2 += value * f2[k];
    a3 += value * f3[k];
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

// Returns the sum over k of (x[k] + offset) * filter[k].
static inline int32_t dot_s8(const int8_t *x, int32_t offset, const int8_t *filter,
                             int32_t length) {
  int32_t acc = 0;
  for (const int8_t *end = x + length; x < end; ++x) {
    acc += (*x + offset) * *filter++;
  }
  return acc;
}

#endif  // ESPALIER_KERNELS_DOT_S8_H_
