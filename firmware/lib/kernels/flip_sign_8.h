// Conversion between uint8 and int8 with zero points that lie 128 apart, at the same scale.
#ifndef ESPALIER_KERNELS_FLIP_SIGN_8_H_
#define ESPALIER_KERNELS_FLIP_SIGN_8_H_

#include <stdint.h>

struct flip_sign_params {
  uint32_t size;  // elements
};

// input [size], output [size]: each byte's highest bit is flipped; output may be input.
void flip_sign_8(const struct flip_sign_params *params, const void *input, void *output);

#endif  // ESPALIER_KERNELS_FLIP_SIGN_8_H_
