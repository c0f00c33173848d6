// Average and maximum pooling, int8, four channels at a time.
#ifndef ESPALIER_KERNELS_DSP_POOL_2D_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_POOL_2D_DSP_S8_H_

#include "../pool_2d_s8.h"

// The same as average_pool_2d_s8 and max_pool_2d_s8, for at least four channels; the window of an
// average has at most 256 taps.
void average_pool_2d_dsp_s8(const struct pool_2d_params *params, struct input_rows input,
                            struct output_rows output, int32_t first_row, int32_t end_row);
void max_pool_2d_dsp_s8(const struct pool_2d_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_DSP_POOL_2D_DSP_S8_H_
