// The inner loop of convolutions: two or three pixels times all output channels.
//
// What it needs of two channels a and b after the other lies in one stream of words, in the order
// in which it is used (pipeline/ops/dsp/stream.py writes it), for each pair:
//
//   bytes:  bias a, bias a + 256 * bias b; for each block of the columns two words, whose lanes are
//           weight a + 256 * weight b of the values {0, 2} and {1, 3}: two weights in the room of
//           two bytes
//   sliding: the same, with three words for each word of the columns: the weights of a window's
//           three pixels
//   halves: bias a, bias b; for each block four words: weights a of the values {0, 2} and {1, 3},
//           weights b of the same
//   then:   multiplier a, rounding a, shift a + 256 * shift b, less 2^31 for the last pair,
//           multiplier b, rounding b
//
// A sum, bias included, becomes an output as follows; >> rounds down, and "high" is the upper word
// of a product.
//
//   bytes and sliding, floor:
//                    a: (high(sum << shift, multiplier) + rounding) >> 14
//                    b: (high(256 * sum, multiplier) + rounding) >> shift
//   halves, floor:   (high(sum, multiplier) + rounding) >> 11
//   nearest:         (high(2 * sum, multiplier) rounded + rounding - (sum < 0)) >> shift
//                    of a sum that, for halves, is already doubled in weights and bias
//
// all saturated to int8 (pipeline/fixed_point.py says when which of them is exact).
#ifndef ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_
#define ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_

#include <stdint.h>

struct channel_pairs {
  const uint32_t *columns;  // of each group of pixels after the other, see columns.h
  const int32_t *stream;
  int32_t blocks;    // of the columns, at least 1; for halves at most 8
  int32_t channels;  // values from an output pixel to the next; 0 for one pixel that is there twice
  int32_t odd;       // 1: the last pair has no channel b
  int32_t groups;    // of pixels, at least 1; their outputs follow each other
};

// Each computes groups of 2 or 3 pixels; sliding windows are laid by lay_sliding.
void bytes_floor_2(const struct channel_pairs *pairs, int8_t *output);
void bytes_floor_3(const struct channel_pairs *pairs, int8_t *output);
void bytes_nearest_2(const struct channel_pairs *pairs, int8_t *output);
void bytes_nearest_3(const struct channel_pairs *pairs, int8_t *output);
void sliding_floor_2(const struct channel_pairs *pairs, int8_t *output);
void sliding_floor_3(const struct channel_pairs *pairs, int8_t *output);
void sliding_nearest_2(const struct channel_pairs *pairs, int8_t *output);
void sliding_nearest_3(const struct channel_pairs *pairs, int8_t *output);
void halves_floor_2(const struct channel_pairs *pairs, int8_t *output);
void halves_nearest_2(const struct channel_pairs *pairs, int8_t *output);

#endif  // ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_
