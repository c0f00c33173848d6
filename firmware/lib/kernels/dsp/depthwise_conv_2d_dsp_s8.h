// Depthwise convolution of any size without horizontal dilation, int8.
#ifndef ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

struct depthwise_conv_2d_dsp_params {
  const int8_t *filter_chw;  // [channels, filter_h, filter_w]
  // [channels, 5]: bias multiplier rounding negative shifts, the latter shift + 256 * prescale.
  // Weights are multiplied by 2^prescale, as the bias is, and then
  //   (acc * multiplier + rounding * 2^32) >> (32 + shift), saturated to int8
  // is the result, with `negative` added to the rounding if acc < 0. From the bias the input's zero
  // point times the sum of the weights is subtracted.
  const int32_t *constants;
  uint16_t input_h, input_w;
  uint16_t output_w;
  uint16_t channels;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t dilation_h;
  uint16_t pad_top, pad_left;
  uint16_t plane_rows;     // of the scratch, at least the rows that an output row reads
  uint16_t plane_columns;  // even
  int8_t input_zero_point;
};

// Computes rows first_row to end_row - 1 of the output.
//   input [1, input_h, input_w, channels] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, channels] NHWC, must not alias the rows that are read
//   scratch: uint32 [filter_h, (filter_w + 1) / 2], int16 [plane_rows, plane_columns]
// Padding counts as the input's zero point. Bit-exact with TFLite's reference
// (internal/reference/integer_ops/depthwise_conv.h, DepthwiseConvPerChannel) if the constants are:
// see pipeline/ops/dsp/depthwise_forms.py.
void depthwise_conv_2d_dsp_s8(const struct depthwise_conv_2d_dsp_params *params,
                              struct input_rows input, struct output_rows output, int32_t first_row,
                              int32_t end_row, void *scratch);

#endif  // ESPALIER_KERNELS_DSP_DEPTHWISE_CONV_2D_DSP_S8_H_
