// Elementwise addition of two int8 tensors of one shape.
#ifndef ESPALIER_KERNELS_DSP_ADD_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_ADD_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

// The sum as one linear function, scales and zero points in its constants:
//   output = ((a * a_factor + b * b_factor) * multiplier / 2^32 + offset) / 2^20
// rounded down after either division, saturated to int8.
struct add_dsp_params {
  int32_t a_factor, b_factor;  // the first sum stays within int32
  int32_t multiplier;
  int32_t offset;
  int32_t row_bytes;
};

// Computes rows first_row to end_row - 1; output may be an operand whose ring is the same.
// As exact as the constants are: the generator compares all 65536 pairs of operands with TFLite's
// reference (internal/reference/integer_ops/add.h).
void add_dsp_s8(const struct add_dsp_params *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_DSP_ADD_DSP_S8_H_
