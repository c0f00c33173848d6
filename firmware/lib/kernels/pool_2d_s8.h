// Average and maximum pooling, int8; input and output share scale and zero point.
#ifndef ESPALIER_KERNELS_POOL_2D_S8_H_
#define ESPALIER_KERNELS_POOL_2D_S8_H_

#include <stdint.h>

struct pool_2d_params {
  uint16_t input_h, input_w;
  uint16_t output_h, output_w;
  uint16_t channels;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t pad_top, pad_left;
  int8_t output_min, output_max;
};

//   input [1, input_h, input_w, channels] NHWC
//   output [1, output_h, output_w, channels] NHWC, must not alias input
// Padding is not counted in the divisor. Rounds half away from zero. Bit-exact with TFLite's
// reference (internal/reference/integer_ops/pooling.h).
void average_pool_2d_s8(const struct pool_2d_params *params, const int8_t *input, int8_t *output);
void max_pool_2d_s8(const struct pool_2d_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_POOL_2D_S8_H_
