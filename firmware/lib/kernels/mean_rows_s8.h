// Mean over the pixels of an image, int8, which is read a few rows at a time.
#ifndef ESPALIER_KERNELS_MEAN_ROWS_S8_H_
#define ESPALIER_KERNELS_MEAN_ROWS_S8_H_

#include <stdint.h>

#include "rows.h"

struct mean_rows_params {
  uint16_t input_h, input_w, channels;
  int32_t input_offset_sum;  // -zero_point of the input * pixels
  int32_t multiplier;        // the divisor is folded in, see requantize()
  int8_t shift;
  int16_t output_offset;  // zero_point of the output
};

// Takes in rows first_row to end_row - 1 of the input; all rows come in their order.
//   input [1, input_h, input_w, channels] NHWC
//   output [channels], written with the last row
//   sums int32 [channels], what the rows so far amount to: it is kept from call to call
// Bit-exact with TFLite's reference (internal/reference/reduce.h, QuantizedMeanOrSum).
void mean_rows_s8(const struct mean_rows_params *params, struct input_rows input,
                  struct output_rows output, int32_t first_row, int32_t end_row, void *sums);

#endif  // ESPALIER_KERNELS_MEAN_ROWS_S8_H_
