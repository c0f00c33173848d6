// Elementwise maximum and minimum of two int8 tensors of one scale, with broadcasting.
#ifndef ESPALIER_KERNELS_EXTREMES_S8_H_
#define ESPALIER_KERNELS_EXTREMES_S8_H_

#include "broadcast.h"

// Compute rows first_row to end_row - 1 of the output, the rows of all batches in one sequence.
//   a, b: shapes that broadcast to the output's, of which the rows that these need are there
//   output: may be an operand whose shape and ring are the same
// The same as TFLite's reference (internal/reference/maximum_minimum.h).
void maximum_s8(const struct broadcast *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row);
void minimum_s8(const struct broadcast *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_EXTREMES_S8_H_
