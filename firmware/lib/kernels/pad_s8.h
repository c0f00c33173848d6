// Constant padding of up to four axes, int8.
#ifndef ESPALIER_KERNELS_PAD_S8_H_
#define ESPALIER_KERNELS_PAD_S8_H_

#include <stdint.h>

struct pad_params {
  uint16_t input_shape[4];
  uint16_t before[4];
  uint16_t after[4];
  int8_t value;  // zero_point
};

//   input [input_shape]    output [before + input_shape + after], must not alias input
// The same as TFLite's reference (internal/reference/pad.h).
void pad_s8(const struct pad_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_PAD_S8_H_
