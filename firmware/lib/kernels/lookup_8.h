// Elementwise function of 8-bit values by table.
#ifndef ESPALIER_KERNELS_LOOKUP_8_H_
#define ESPALIER_KERNELS_LOOKUP_8_H_

#include <stdint.h>

struct lookup_params {
  const uint8_t *table;  // [256], indexed by the input's bits
  uint32_t size;         // elements
};

// input [size], output [size]: 8-bit values of any signedness; output may be input.
void lookup_8(const struct lookup_params *params, const void *input, void *output);

#endif  // ESPALIER_KERNELS_LOOKUP_8_H_
