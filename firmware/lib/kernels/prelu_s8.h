// Rectified linear unit whose negative part has a slope from a tensor, int8.
#ifndef ESPALIER_KERNELS_PRELU_S8_H_
#define ESPALIER_KERNELS_PRELU_S8_H_

#include <stdint.h>

#include "broadcast.h"

struct prelu_params {
  struct broadcast broadcast;
  int16_t input_offset, alpha_offset;  // -zero_point
  int16_t output_offset;               // zero_point of the output
  int8_t positive_shift, negative_shift;
  int32_t positive_multiplier;  // of the input; see requantize()
  int32_t negative_multiplier;  // of the input times alpha
};

// Computes rows first_row to end_row - 1 of the output, the rows of all batches in one sequence.
//   input, alpha: shapes that broadcast to the output's, the rows that these need are there
//   output: may be the input if shape and ring are the same
// Bit-exact with TFLite's reference (internal/reference/prelu.h).
void prelu_s8(const struct prelu_params *params, struct input_rows input, struct input_rows alpha,
              struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_PRELU_S8_H_
