// Elementwise sum or difference of two int8 tensors, with broadcasting.
#ifndef ESPALIER_KERNELS_ADD_S8_H_
#define ESPALIER_KERNELS_ADD_S8_H_

#include <stdint.h>

#include "rows.h"

struct add_operand {
  int16_t offset;      // -zero_point
  int8_t shift;        // see requantize()
  int32_t multiplier;  // see requantize(); the negative one of what is subtracted
  // From one index to the next along each axis, 0 where the operand is broadcast: rows along the
  // first two axes, elements along the others.
  int32_t stride[4];
  int32_t row_bytes;
};

struct add_params {
  struct add_operand a, b;
  int32_t shape[4];       // of the output: batches, rows, columns, channels
  int16_t output_offset;  // zero_point of the output
  int8_t output_shift;    // see requantize()
  int32_t output_multiplier;
  int8_t output_min, output_max;
};

// Computes rows first_row to end_row - 1 of the output, the rows of all batches in one sequence.
//   a, b: shapes that broadcast to `shape`, of which the rows that these need are there
//   output [shape]; may be an operand whose shape and ring are the same
// Bit-exact with TFLite's reference (internal/reference/integer_ops/add.h).
void add_s8(const struct add_params *params, struct input_rows a, struct input_rows b,
            struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_ADD_S8_H_
