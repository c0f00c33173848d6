// Maximum over adjacent axes, int8.
#ifndef ESPALIER_KERNELS_REDUCE_MAX_S8_H_
#define ESPALIER_KERNELS_REDUCE_MAX_S8_H_

#include <stdint.h>

struct reduce_max_params {
  uint32_t outer, reduced, inner;  // the axes before, among and after those reduced
};

//   input [outer, reduced, inner]    output [outer, inner], must not alias input
// Input and output share scale and zero point.
void reduce_max_s8(const struct reduce_max_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_REDUCE_MAX_S8_H_
