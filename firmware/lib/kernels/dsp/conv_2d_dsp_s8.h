// Two-dimensional convolution without groups, int8, per-channel scales.
#ifndef ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

// A window is gathered in runs: stretches of values that are neighbours in the input. Without
// horizontal dilation a row of the window is one run, else each of its taps is. Columns (columns.h)
// hold first the blocks of each run: its values by four, then, if some are left and are not single,
// its last four once more; then the single values, lane after lane.
//
// Sliding windows are three pixels wide and one apart: runs are of single pixels, and the columns
// are those of all pixels below a group of windows, each of them once.
struct conv_2d_dsp_params {
  const int32_t *stream;  // see channel_pairs.h; the input's zero point is folded into the biases
  uint16_t input_h, input_w, input_c;
  uint16_t output_w, output_c;
  uint16_t stride_h, stride_w;
  uint16_t pad_top, pad_left;
  uint16_t reach_h, reach_w;  // rows and columns of the input that a window spans
  uint16_t rows;              // of a window
  uint16_t row_step;          // rows of the input from one to the next
  uint16_t runs;              // of a row
  uint16_t run_step;          // values from one to the next
  uint16_t run_blocks;        // of a run's values by four
  uint16_t blocks;            // of a column
  uint8_t back;               // how many of a run's values are among its last four once more, or 0
  uint8_t singles;            // single values of a run
  uint8_t groups;             // of n pixels, at most as many are laid into columns at once
  int8_t input_zero_point;
  int8_t output_min, output_max;
};

// Each computes rows first_row to end_row - 1 of the output. They differ in the stream's layout and
// in how sums become outputs, see channel_pairs.h; 3x3x3 is halves_floor for windows of three runs
// of nine values, the last of them single.
//   input [1, input_h, input_w, input_c] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, output_c] NHWC, must not alias the rows that are read
//   scratch, aligned to 4 bytes: 8 bytes for each run; columns of `groups` times n pixels, n + 2 if
//   sliding, of 8 * blocks bytes each, where n is 2 for halves, else 3; if there is padding, all
//   channels of `rows` rows and (n - 1) * stride_w + reach_w columns of the input
// Padding counts as the input's zero point. Bit-exact with TFLite's reference
// (internal/reference/integer_ops/conv.h, ConvPerChannel) if the stream is.
typedef void conv_2d_dsp(const struct conv_2d_dsp_params *params, struct input_rows input,
                         struct output_rows output, int32_t first_row, int32_t end_row,
                         void *scratch);
conv_2d_dsp conv_2d_bytes_floor_dsp_s8, conv_2d_bytes_nearest_dsp_s8;
conv_2d_dsp conv_2d_halves_floor_dsp_s8, conv_2d_halves_nearest_dsp_s8;
conv_2d_dsp conv_2d_sliding_floor_dsp_s8, conv_2d_sliding_nearest_dsp_s8;
conv_2d_dsp conv_2d_nibbles_floor_dsp_s8, conv_2d_nibbles_nearest_dsp_s8;
conv_2d_dsp conv_2d_3x3x3_floor_dsp_s8;

#endif  // ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_
