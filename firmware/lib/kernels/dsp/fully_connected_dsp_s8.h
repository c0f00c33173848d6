// Fully connected layer, int8, per-tensor or per-channel scales.
#ifndef ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DSP_S8_H_

#include <stdint.h>

struct fully_connected_dsp_params {
  // Weights and biases of four outputs a, b, c, d after the others:
  //   bias a, bias a + 256 * bias b, bias c, bias c + 256 * bias d
  //   for each four inputs: weights a + 256 * b of the inputs {0, 2} and {1, 3}, as lanes of two
  //   words, then c + 256 * d
  // The input's zero point is folded into the biases. Inputs and outputs are filled up with zeros.
  const int32_t *stream;
  // Multiplier, rounding and shift of each output, filled up as well, or four times the same three:
  //   ((256 * sum * multiplier >> 32) + rounding) >> shift, saturated to int8
  const int32_t *scaling;
  uint32_t rows;             // vectors in the input
  uint32_t inputs, outputs;  // length of one input and one output vector
  uint8_t per_channel;       // 1: a scaling for each output; 0: one for all
  int8_t output_min, output_max;
};

//   input [rows, inputs]    output [rows, outputs], must not alias input
//   scratch: the inputs as int16, filled up to a multiple of four; aligned to 4 bytes
// Bit-exact with TFLite's reference (internal/reference/integer_ops/fully_connected.h), which
// scales in double, if the constants are.
void fully_connected_dsp_s8(const struct fully_connected_dsp_params *params, const int8_t *input,
                            int8_t *output, void *scratch);

#endif  // ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DSP_S8_H_
