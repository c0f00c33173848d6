// Transposed convolution, int8, per-channel scales: what a convolution read, from what it made.
#ifndef ESPALIER_KERNELS_TRANSPOSE_CONV_S8_H_
#define ESPALIER_KERNELS_TRANSPOSE_CONV_S8_H_

#include <stdint.h>

#include "rows.h"

struct transpose_conv_params {
  const int8_t *filter_ohwi;  // [output_c, filter_h, filter_w, input_c]
  const int32_t *bias;        // [output_c]
  const int32_t *multiplier;  // [output_c], see requantize()
  const int8_t *shift;        // [output_c], see requantize()
  uint16_t input_h, input_w, input_c;
  uint16_t output_h, output_w, output_c;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t pad_top, pad_left;
  int16_t input_offset;   // -zero_point of the input
  int16_t output_offset;  // zero_point of the output
  int8_t output_min, output_max;
};

// Computes rows first_row to end_row - 1 of the output: output[y, x] sums over all taps with
// y + pad_top = row * stride_h + ky and x + pad_left = column * stride_w + kx inside the input.
//   input [1, input_h, input_w, input_c] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, output_c] NHWC, must not alias the rows that are read
// Bit-exact with TFLite's reference (internal/reference/integer_ops/transpose_conv.h).
void transpose_conv_s8(const struct transpose_conv_params *params, struct input_rows input,
                       struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_TRANSPOSE_CONV_S8_H_
