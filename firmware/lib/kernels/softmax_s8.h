// Softmax over the last axis, int8 to int8; output scale 1/256, zero point -128.
#ifndef ESPALIER_KERNELS_SOFTMAX_S8_H_
#define ESPALIER_KERNELS_SOFTMAX_S8_H_

#include <stdint.h>

struct softmax_params {
  uint32_t rows;
  uint32_t depth;      // up to 4095, so that the sum of exponentials fits
  int32_t multiplier;  // beta * input scale in Q5.26, see requantize()
  int8_t shift;        // to the left
  int32_t diff_min;    // differences to the row's maximum below this contribute nothing
};

//   input [rows, depth]    output [rows, depth]; output may be input
// Bit-exact with TFLite's reference (internal/reference/softmax.h), which computes exp() and
// the reciprocal in gemmlowp's fixed point.
void softmax_s8(const struct softmax_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_SOFTMAX_S8_H_
