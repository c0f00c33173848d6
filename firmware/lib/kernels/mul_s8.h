// Elementwise product of two int8 tensors, with broadcasting.
#ifndef ESPALIER_KERNELS_MUL_S8_H_
#define ESPALIER_KERNELS_MUL_S8_H_

#include <stdint.h>

#include "broadcast.h"

struct mul_params {
  struct broadcast broadcast;
  int16_t a_offset, b_offset;  // -zero_point
  int16_t output_offset;       // zero_point of the output
  int8_t shift;                // see requantize()
  int32_t multiplier;
  int8_t output_min, output_max;
};

// Computes rows first_row to end_row - 1 of the output, the rows of all batches in one sequence.
//   a, b: shapes that broadcast to the output's, of which the rows that these need are there
//   output: may be an operand whose shape and ring are the same
// Bit-exact with TFLite's reference (internal/reference/integer_ops/mul.h).
void mul_s8(const struct mul_params *params, struct input_rows a, struct input_rows b,
            struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_MUL_S8_H_
