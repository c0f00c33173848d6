// Fully connected layer of int8 with weights of four bits, per-tensor or per-channel scales.
#ifndef ESPALIER_KERNELS_FULLY_CONNECTED_S4_H_
#define ESPALIER_KERNELS_FULLY_CONNECTED_S4_H_

#include "fully_connected_s8.h"

// fully_connected_s8 with two outputs in the room of one, as dot_s4.h describes:
//   filter [pairs of outputs, inputs]; an odd number of outputs ends in half a pair
void fully_connected_s4(const struct fully_connected_params *params, const int8_t *input,
                        int8_t *output);

#endif  // ESPALIER_KERNELS_FULLY_CONNECTED_S4_H_
