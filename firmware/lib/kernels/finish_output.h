// What becomes of a sum of a fully connected layer, for every type of weights.
#ifndef ESPALIER_KERNELS_FINISH_OUTPUT_H_
#define ESPALIER_KERNELS_FINISH_OUTPUT_H_

#include <stdint.h>

#include "fully_connected_s8.h"
#include "requantize.h"

static inline int8_t finish_output(const struct fully_connected_params *p, int32_t acc,
                                   int32_t channel) {
  int32_t i = p->per_channel ? channel : 0;
  int32_t y = requantize_once(acc, p->multiplier[i], p->shift[i]) + p->output_offset;
  return (int8_t)clamp(y, p->output_min, p->output_max);
}

#endif  // ESPALIER_KERNELS_FINISH_OUTPUT_H_
