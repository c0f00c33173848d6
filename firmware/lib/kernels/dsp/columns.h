// Pixels as columns of int16 lanes, side by side, as channel_pairs.h multiplies them.
//
// The values of a pixel come in blocks of four; a block is two words with the lanes {0, 2} and
// {1, 3}, the order that SXTB16 gives. In columns of n pixels lie, for each block, the n words
// {0, 2} of the pixels, then their n words {1, 3}.
#ifndef ESPALIER_KERNELS_DSP_COLUMNS_H_
#define ESPALIER_KERNELS_DSP_COLUMNS_H_

#include <stdint.h>

// Groups of pixels, each from runs: stretches of int8 values, of the same length and layout for all
// pixels.
struct column_runs {
  const int8_t *from;      // of the first pixel
  const int32_t *offsets;  // of each run's first value, from there
  int32_t count;
  int32_t stride;      // from a pixel to the next
  int32_t words;       // blocks of a run
  int32_t groups;      // of pixels that follow each other
  int32_t back;        // if not 0, one more block begins so many values before the end of those
  int32_t singles;     // values of a run that go into the rest of the columns, lane by lane
  int32_t rest_bytes;  // from a group's columns to there
  int32_t group_bytes;
  uint16_t *lane;  // used while columns are laid, as the next one is
  uint32_t *next;
};

// Lay groups of 2 or 3 pixels.
void lay_columns_2(uint32_t *columns, struct column_runs *runs);
void lay_columns_3(uint32_t *columns, struct column_runs *runs);

// Lay for groups of 2 or 3 windows, three pixels wide and one pixel apart, the 4 or 5 pixels below
// them; runs are of pixels. `singles` is 0.
void lay_sliding_2(uint32_t *columns, struct column_runs *runs);
void lay_sliding_3(uint32_t *columns, struct column_runs *runs);

// Lays blocks of one pixel.
void lay_column(uint32_t *column, const int8_t *from, int32_t blocks);

#endif  // ESPALIER_KERNELS_DSP_COLUMNS_H_
