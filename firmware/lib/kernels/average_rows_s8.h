// Average pooling over a whole image, int8, which is read a few rows at a time.
#ifndef ESPALIER_KERNELS_AVERAGE_ROWS_S8_H_
#define ESPALIER_KERNELS_AVERAGE_ROWS_S8_H_

#include <stdint.h>

#include "rows.h"

struct average_rows_params {
  uint16_t input_h, input_w, channels;
  int8_t output_min, output_max;
};

// Takes in rows first_row to end_row - 1 of the input; all rows come in their order.
//   input [1, input_h, input_w, channels] NHWC
//   output [1, 1, 1, channels], written with the last row
//   sums int32 [channels], what the rows so far amount to: it is kept from call to call
// Rounds half away from zero. Bit-exact with TFLite's reference
// (internal/reference/integer_ops/pooling.h, AveragePool).
void average_rows_s8(const struct average_rows_params *params, struct input_rows input,
                     struct output_rows output, int32_t first_row, int32_t end_row, void *sums);

#endif  // ESPALIER_KERNELS_AVERAGE_ROWS_S8_H_
