// Two-dimensional convolution of int8 with weights of four bits; groups and dilation included.
#ifndef ESPALIER_KERNELS_CONV_2D_S4_H_
#define ESPALIER_KERNELS_CONV_2D_S4_H_

#include "conv_2d_s8.h"

// conv_2d_s8 with two channels of a group in the room of one, as dot_s4.h describes:
//   filter_ohwi [groups, pairs of channels, filter_h, filter_w, input_c / groups]; a group with an
//   odd number of channels ends in half a pair
void conv_2d_s4(const struct conv_2d_params *params, struct input_rows input,
                struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_CONV_2D_S4_H_
