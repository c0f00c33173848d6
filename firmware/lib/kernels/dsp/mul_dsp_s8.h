// Elementwise product of two int8 tensors, of one shape or with one value of the second per
// channel.
#ifndef ESPALIER_KERNELS_DSP_MUL_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_MUL_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

// With p the product of (2 * a + a_offset) and (b + b_offset):
//   (((p * multiplier + 2^31) >> 32) + rounding - (p < 0)) >> shift, saturated to int8
struct mul_dsp_params {
  int32_t a_offset, b_offset;  // -2 * zero_point, -zero_point
  int32_t multiplier, rounding, shift;
  int32_t row_bytes;  // of a and of the output
  int32_t run;        // elements of a row that b has a value for each of; then b begins anew
  int32_t b_rows;     // 1: b has as many rows as the output, of `run` bytes; 0: it has one
};

// Computes rows first_row to end_row - 1; output may be an operand of its shape whose ring is the
// same. As exact as the constants are: the generator compares them on either side of each step with
// TFLite's reference (internal/reference/integer_ops/mul.h).
void mul_dsp_s8(const struct mul_dsp_params *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_DSP_MUL_DSP_S8_H_
