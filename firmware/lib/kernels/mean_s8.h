// Mean over adjacent axes, int8.
#ifndef ESPALIER_KERNELS_MEAN_S8_H_
#define ESPALIER_KERNELS_MEAN_S8_H_

#include <stdint.h>

struct mean_params {
  uint32_t outer, reduced, inner;  // the axes before, among and after those reduced
  int32_t input_offset_sum;        // -zero_point of the input * reduced
  int32_t multiplier;              // the divisor is folded in, see requantize()
  int8_t shift;
  int16_t output_offset;  // zero_point of the output
};

//   input [outer, reduced, inner]    output [outer, inner], must not alias input
// Bit-exact with TFLite's reference (internal/reference/reduce.h, QuantizedMeanOrSum).
void mean_s8(const struct mean_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_MEAN_S8_H_
