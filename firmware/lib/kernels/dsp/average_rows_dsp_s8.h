// Average pooling over a whole image, int8, four channels at a time.
#ifndef ESPALIER_KERNELS_DSP_AVERAGE_ROWS_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_AVERAGE_ROWS_DSP_S8_H_

#include "../average_rows_s8.h"

// The same as average_rows_s8, for at least four channels of at most 256 pixels.
//   sums two words for every four channels, the last of which may be three or less
void average_rows_dsp_s8(const struct average_rows_params *params, struct input_rows input,
                         struct output_rows output, int32_t first_row, int32_t end_row, void *sums);

#endif  // ESPALIER_KERNELS_DSP_AVERAGE_ROWS_DSP_S8_H_
