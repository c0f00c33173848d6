// Depthwise convolution 3x3 without dilation, int8.
#ifndef ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_3X3_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_3X3_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

struct depthwise_conv_2d_3x3_dsp_params {
  // [channels, 9], or [channels, 8] for the kernel after which a ReLU is fused. The words of a
  // channel, with w[row][column] its weights and {bottom, top} the lanes of a word:
  //   {w[0][0], w[1][0]} {w[0][1], w[1][1]} {w[0][2], w[1][2]} {w[2][0], w[2][1]}
  //   {w[2][2], channels} bias multiplier rounding negative_rounding
  // Weights and bias are multiplied by one power of two, such that
  //   (acc * multiplier + r * 2^32) >> (32 + shift), saturated to int8
  // is the result; shift is the kernel's, r is `rounding` or, if acc < 0 and there is no ReLU,
  // `negative_rounding`. From the bias the input's zero point times the sum of the weights is
  // subtracted.
  const int32_t *taps;
  uint16_t input_h, input_w;  // input_h >= 3
  uint16_t output_w;
  uint16_t channels;            // below 2^15
  uint16_t stride_h, stride_w;  // stride_w is 1 or 2
  uint16_t pad_top, pad_left;
  int8_t input_zero_point;
};

// Each computes rows first_row to end_row - 1 of the output, with a shift of 10, or 13 if fine, or
// 8 if coarse.
//   input [1, input_h, input_w, channels] NHWC, of which the rows that these need are there; at the
//   upper and lower edge one row more is read, to no effect
//   output [1, output_h, output_w, channels] NHWC, must not alias the rows that are read
// Padding, up to one row or column on each side, counts as the input's zero point. Bit-exact with
// TFLite's reference (internal/reference/integer_ops/depthwise_conv.h, DepthwiseConvPerChannel) if
// the constants are: see pipeline/ops/dsp/depthwise_forms.py.
typedef void depthwise_conv_2d_3x3_dsp(const struct depthwise_conv_2d_3x3_dsp_params *params,
                                       struct input_rows input, struct output_rows output,
                                       int32_t first_row, int32_t end_row);
depthwise_conv_2d_3x3_dsp depthwise_conv_2d_3x3_dsp_s8, depthwise_conv_2d_3x3_fine_dsp_s8;
depthwise_conv_2d_3x3_dsp depthwise_conv_2d_3x3_relu_dsp_s8;
depthwise_conv_2d_3x3_dsp depthwise_conv_2d_3x3_relu_coarse_dsp_s8;

#endif  // ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_3X3_DSP_S8_H_
