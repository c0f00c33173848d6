// Average and maximum pooling, int8; input and output share scale and zero point.
#ifndef ESPALIER_KERNELS_POOL_2D_S8_H_
#define ESPALIER_KERNELS_POOL_2D_S8_H_

#include <stdint.h>

#include "rows.h"

struct pool_2d_params {
  uint16_t input_h, input_w;
  uint16_t output_h, output_w;
  uint16_t channels;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t pad_top, pad_left;
  int8_t output_min, output_max;
};

// Compute rows first_row to end_row - 1 of the output.
//   input [1, input_h, input_w, channels] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, channels] NHWC, must not alias the rows that are read
// Padding is not counted in the divisor. Rounds half away from zero. Bit-exact with TFLite's
// reference (internal/reference/integer_ops/pooling.h).
void average_pool_2d_s8(const struct pool_2d_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row);
void max_pool_2d_s8(const struct pool_2d_params *params, struct input_rows input,
                    struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_POOL_2D_S8_H_
