// Constant padding of up to four axes, int8.
#ifndef ESPALIER_KERNELS_PAD_S8_H_
#define ESPALIER_KERNELS_PAD_S8_H_

#include <stdint.h>

#include "rows.h"

struct pad_params {
  uint16_t input_shape[4];
  uint16_t before[4];
  uint16_t after[4];
  int8_t value;  // zero_point
};

// Computes rows first_row to end_row - 1 of the output, the rows of all batches in one sequence.
//   input [input_shape], of which the rows that these need are there
//   output [before + input_shape + after], must not alias the rows that are read
// The same as TFLite's reference (internal/reference/pad.h).
void pad_s8(const struct pad_params *params, struct input_rows input, struct output_rows output,
            int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_PAD_S8_H_
