// Pixels as columns of int16 lanes, side by side, as channel_pairs.h multiplies them.
//
// The values of a pixel come in blocks of four; a block is two words with the lanes {0, 2} and
// {1, 3}, the order that SXTB16 gives. In columns of n pixels lie, for each block, the n words
// {0, 2} of the pixels, then their n words {1, 3}.
#ifndef ESPALIER_KERNELS_DSP_COLUMNS_H_
#define ESPALIER_KERNELS_DSP_COLUMNS_H_

#include <stdint.h>

// `blocks` blocks, at least 1, of 1, 2 or 3 pixels, read from `from` and every `stride` bytes
// behind. Return where the next block goes.
uint32_t *expand_columns_1(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks);
uint32_t *expand_columns_2(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks);
uint32_t *expand_columns_3(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks);

#endif  // ESPALIER_KERNELS_DSP_COLUMNS_H_
