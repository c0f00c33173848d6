// Fully connected layer of few outputs or very many inputs, int8, per-tensor or per-channel scales.
#ifndef ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DIRECT_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DIRECT_DSP_S8_H_

#include <stdint.h>

struct fully_connected_direct_dsp_params {
  // Groups of outputs one after the other: four, the last group two if not more are left. Outputs
  // that are not there have zeros. Of a group a, b, c, d, or a, b:
  //   its biases, the input's zero point folded into them
  //   for each four inputs: weights a + 256 * b of the inputs {0, 2} and {1, 3}, as lanes of two
  //   words, then c + 256 * d; if inputs are left, for the last four once more, with zeros for
  //   those that were among the others
  //   multiplier, rounding and shift of each output:
  //     ((2^prescale * sum * multiplier >> 32) + rounding) >> shift, saturated to int8
  const int32_t *stream;
  uint32_t rows;             // vectors in the input
  uint32_t inputs, outputs;  // length of one input, at least 4, and of one output vector
  uint32_t chunk;            // blocks of four inputs that sums of b and d take with 24 bits
  uint8_t prescale;
  int8_t output_min, output_max;
};

//   input [rows, inputs]    output [rows, outputs], must not alias input
// Inputs are widened once for each group, and nowhere stored: no scratch. Bit-exact with TFLite's
// reference (internal/reference/integer_ops/fully_connected.h), which scales in double, if the
// constants are.
void fully_connected_direct_dsp_s8(const struct fully_connected_direct_dsp_params *params,
                                   const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_DSP_FULLY_CONNECTED_DIRECT_DSP_S8_H_
