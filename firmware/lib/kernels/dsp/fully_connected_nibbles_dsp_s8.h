// Fully connected layer of int8 with weights of four bits, per-tensor or per-channel scales.
#ifndef ESPALIER_KERNELS_DSP_FULLY_CONNECTED_NIBBLES_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_FULLY_CONNECTED_NIBBLES_DSP_S8_H_

#include <stdint.h>

struct fully_connected_nibbles_dsp_params {
  // Biases and weights of four outputs a, b, c, d after the others; outputs that are not there have
  // zeros:
  //   the four biases, the input's zero point folded into them
  //   for each four inputs two words, of the inputs {0, 2} and {1, 3}, whose lanes are
  //   a + 16 * b + 256 * c + 4096 * d
  // If inputs are left, one more block: where inputs are laid, they filled up with zeros; else the
  // last four once more, with zeros for those that were among the others.
  const int32_t *stream;
  // Multiplier, rounding and shift of each output, or of all:
  //   ((2^prescale * sum * multiplier >> 32) + rounding) >> shift, saturated to int8
  const int32_t *scaling;
  uint32_t rows;             // vectors in the input
  uint32_t inputs, outputs;  // length of one input and one output vector
  uint32_t chunk;            // blocks of four inputs whose sums stay below 15 * 2^15
  uint8_t per_channel;       // 1: a scaling for each output; 0: one for all
  uint8_t prescale;
  int8_t output_min, output_max;
};

// For many outputs: inputs are laid as a column (columns.h) that all of them read.
//   input [rows, inputs]    output [rows, outputs], must not alias input
//   scratch: the inputs as int16, filled up to a multiple of four; aligned to 4 bytes
// Bit-exact with TFLite's reference (internal/reference/integer_ops/fully_connected.h), which
// scales in double, if the constants are.
void fully_connected_nibbles_dsp_s8(const struct fully_connected_nibbles_dsp_params *params,
                                    const int8_t *input, int8_t *output, void *scratch);

// For few outputs: the same without scratch. At least four inputs, widened as they are read.
void fully_connected_nibbles_direct_dsp_s8(const struct fully_connected_nibbles_dsp_params *params,
                                           const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_DSP_FULLY_CONNECTED_NIBBLES_DSP_S8_H_
