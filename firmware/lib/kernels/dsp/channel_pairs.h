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
//   nibbles: 16 * bias a, bias a + 16 * bias b; for each block one word, whose bytes are weight
//            a + 16 * weight b of the values 0 to 3: two weights in the room of one byte
//   halves: bias a, bias b; for each block four words: weights a of the values {0, 2} and {1, 3},
//           weights b of the same
//   then:   multiplier a, rounding a, shift a + 256 * shift b, less 2^31 for the last pair,
//           multiplier b, rounding b
//
// A sum, bias included, becomes an output as follows; >> rounds down, and "high" is the upper word
// of a product.
//
//   bytes, sliding and nibbles, floor:
//                    a: (high(sum << shift, multiplier) + rounding) >> 14
//                    b: (high(256 * sum, multiplier) + rounding) >> shift
//   halves, floor:   (high(sum, multiplier) + rounding) >> 12
//   nearest:         (high(2 * sum, multiplier) rounded + rounding - (sum < 0)) >> shift
//                    of a sum that, for halves, is already doubled in weights and bias
//
// all saturated to int8 (pipeline/fixed_point.py says when which of them is exact).
#ifndef ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_
#define ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_

#include <stdint.h>

// Not to be called: what the functions below do once they have a pair's sums. On cores with SMLAD
// it is a piece of them.
typedef void finish_pair(const int32_t *constants, const int32_t sums[2], int32_t values[2]);
finish_pair floor_2, floor_3, nearest_2, nearest_3;

struct channel_pairs {
  const uint32_t *columns;  // of each group of pixels after the other, see columns.h
  const int32_t *stream;
  int32_t blocks;    // of the columns, at least 1; for halves at most 8
  int32_t channels;  // values from an output pixel to the next; 0 for one pixel that is there twice
  int32_t odd;       // 1: the last pair has no channel b
  int32_t groups;    // of pixels, at least 1; their outputs follow each other
  finish_pair *finish;  // one for the same number of pixels; of no meaning for halves
};

// Each computes groups of 2 or 3 pixels; sliding windows are laid by lay_sliding.
void bytes_2(const struct channel_pairs *pairs, int8_t *output);
void bytes_3(const struct channel_pairs *pairs, int8_t *output);
void sliding_2(const struct channel_pairs *pairs, int8_t *output);
void sliding_3(const struct channel_pairs *pairs, int8_t *output);
void nibbles_2(const struct channel_pairs *pairs, int8_t *output);
void nibbles_3(const struct channel_pairs *pairs, int8_t *output);
void halves_floor_2(const struct channel_pairs *pairs, int8_t *output);
void halves_nearest_2(const struct channel_pairs *pairs, int8_t *output);

#endif  // ESPALIER_KERNELS_DSP_CHANNEL_PAIRS_H_
