// Fully connected layer, int8, per-tensor or per-channel scales.
#ifndef ESPALIER_KERNELS_FULLY_CONNECTED_S8_H_
#define ESPALIER_KERNELS_FULLY_CONNECTED_S8_H_

#include <stdint.h>

struct fully_connected_params {
  const int8_t *filter;       // [outputs, inputs]
  const int32_t *bias;        // [outputs]
  const int32_t *multiplier;  // [outputs] or [1], see requantize_once()
  const int8_t *shift;        // [outputs] or [1], see requantize_once()
  uint32_t rows;              // vectors in the input
  uint32_t inputs, outputs;   // length of one input and one output vector
  uint8_t per_channel;        // 1: a multiplier and a shift for each output; 0: one for all
  int16_t input_offset;       // -zero_point of the input
  int16_t output_offset;      // zero_point of the output
  int8_t output_min, output_max;
};

//   input [rows, inputs]    output [rows, outputs], must not alias input
// Bit-exact with TFLite's reference (internal/reference/integer_ops/fully_connected.h), which
// scales in double: see requantize_once().
void fully_connected_s8(const struct fully_connected_params *params, const int8_t *input,
                        int8_t *output);

#endif  // ESPALIER_KERNELS_FULLY_CONNECTED_S8_H_
