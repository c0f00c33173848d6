// Position of the largest value along one axis, int8.
#ifndef ESPALIER_KERNELS_ARG_MAX_S8_H_
#define ESPALIER_KERNELS_ARG_MAX_S8_H_

#include <stdint.h>

struct arg_max_params {
  uint32_t outer, length, inner;  // the input is [outer, length, inner]
  uint32_t words;                 // of 32 bits in each position: 1 or 2
};

//   input [outer, length, inner]    output [outer, inner], positions 0 to length - 1 as int32 or
//   int64; must not alias input
// The first of several equal values counts, as in TFLite's reference
// (internal/reference/arg_min_max.h).
void arg_max_s8(const struct arg_max_params *params, const void *input, void *output);

#endif  // ESPALIER_KERNELS_ARG_MAX_S8_H_
