// Depthwise two-dimensional convolution, int8, per-channel scales; any depth multiplier.
#ifndef ESPALIER_KERNELS_DEPTHWISE_CONV_2D_S8_H_
#define ESPALIER_KERNELS_DEPTHWISE_CONV_2D_S8_H_

#include <stdint.h>

#include "rows.h"

struct depthwise_conv_2d_params {
  const int8_t *filter_hwc;   // [filter_h, filter_w, output_c]
  const int32_t *bias;        // [output_c]
  const int32_t *multiplier;  // [output_c], see requantize()
  const int8_t *shift;        // [output_c], see requantize()
  uint16_t input_h, input_w, input_c;
  uint16_t output_h, output_w, output_c;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t dilation_h, dilation_w;
  uint16_t pad_top, pad_left;
  uint16_t depth_multiplier;  // output_c / input_c
  int16_t input_offset;       // -zero_point of the input
  int16_t output_offset;      // zero_point of the output
  int8_t output_min, output_max;
};

// Computes rows first_row to end_row - 1 of the output.
//   input [1, input_h, input_w, input_c] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, output_c] NHWC, must not alias the rows that are read
// Output channel c reads input channel c / depth_multiplier. Padding counts as the input's zero
// point. Bit-exact with TFLite's reference
// (internal/reference/integer_ops/depthwise_conv.h, DepthwiseConvPerChannel).
void depthwise_conv_2d_s8(const struct depthwise_conv_2d_params *params, struct input_rows input,
                          struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_DEPTHWISE_CONV_2D_S8_H_
