// Fully connected layer, int8, scaled in double: for factors that no integer form expresses.
#ifndef ESPALIER_KERNELS_FULLY_CONNECTED_DOUBLE_S8_H_
#define ESPALIER_KERNELS_FULLY_CONNECTED_DOUBLE_S8_H_

#include <stdint.h>

struct fully_connected_double_params {
  const int8_t *filter;      // [outputs, inputs]
  const int32_t *bias;       // [outputs]
  const double *factor;      // [outputs] or [1], input scale * filter scale / output scale
  uint32_t rows;             // vectors in the input
  uint32_t inputs, outputs;  // length of one input and one output vector
  uint8_t per_channel;       // 1: a factor for each output; 0: one for all
  int16_t input_offset;      // -zero_point of the input
  int16_t output_offset;     // zero_point of the output
  int8_t output_min, output_max;
};

//   input [rows, inputs]    output [rows, outputs], must not alias input
// Bit-exact with TFLite's reference (internal/reference/integer_ops/fully_connected.h), on every
// processor with IEEE doubles, in hardware or not. Slower for each output than
// fully_connected_s8, which the generator prefers wherever it is exact.
void fully_connected_double_s8(const struct fully_connected_double_params *params,
                               const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_FULLY_CONNECTED_DOUBLE_S8_H_
