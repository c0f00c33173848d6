// Mean over adjacent axes, int8, four sums at a time.
#ifndef ESPALIER_KERNELS_DSP_MEAN_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_MEAN_DSP_S8_H_

#include "../mean_s8.h"

// The same as mean_s8, for an inner size of at least four.
void mean_dsp_s8(const struct mean_params *params, const int8_t *input, int8_t *output);

#endif  // ESPALIER_KERNELS_DSP_MEAN_DSP_S8_H_
