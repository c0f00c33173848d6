// Two-dimensional convolution without groups, int8, per-channel scales.
#ifndef ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_
#define ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_

#include <stdint.h>

#include "../rows.h"

// A window is gathered in runs: stretches of values that are neighbours in the input. Without
// horizontal dilation a row of the window is one run, else each of its taps is. The columns
// (columns.h) hold first, for each run, its whole words, then, unless `rest` is set, its last four
// values once more if its length is not a multiple of four; at their end, if `rest` is set, the
// last length % 4 values of each run, as lanes one after the other.
//
// Sliding windows are three taps wide and lie side by side: runs are the rows of single pixels, and
// the columns are those of all pixels below a group of windows, each of them once.
struct conv_2d_dsp_params {
  const int32_t *stream;  // see channel_pairs.h; the input's zero point is folded into the biases
  uint16_t input_h, input_w, input_c;
  uint16_t output_w, output_c;
  uint16_t filter_h, filter_w;
  uint16_t stride_h, stride_w;
  uint16_t dilation_h, dilation_w;
  uint16_t pad_top, pad_left;
  uint16_t row_runs;  // runs of a window's row
  uint16_t run_taps;  // taps, or pixels, of a run
  uint16_t blocks;    // of the columns
  uint8_t rest;       // 1: see above
  uint8_t groups;     // of n pixels, at most as many are laid into columns at once
  int8_t input_zero_point;
  int8_t output_min, output_max;
};

// Each computes rows first_row to end_row - 1 of the output; they differ in the stream's layout and
// in how sums become outputs, see channel_pairs.h.
//   input [1, input_h, input_w, input_c] NHWC, of which the rows that these need are there
//   output [1, output_h, output_w, output_c] NHWC, must not alias the rows that are read
//   scratch, aligned to 4 bytes: 8 bytes for each run; columns of `groups` times n pixels, n + 2 if
//   sliding, of 8 * blocks bytes each, where n is 2 for halves, else 3; if there is padding, all
//   channels of filter_h rows and (n - 1) * stride_w + (filter_w - 1) * dilation_w + 1 columns of
//   the input
// Padding counts as the input's zero point. Bit-exact with TFLite's reference
// (internal/reference/integer_ops/conv.h, ConvPerChannel) if the stream is.
void conv_2d_bytes_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                struct output_rows output, int32_t first_row, int32_t end_row,
                                void *scratch);
void conv_2d_bytes_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                  struct output_rows output, int32_t first_row, int32_t end_row,
                                  void *scratch);
void conv_2d_halves_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                 struct output_rows output, int32_t first_row, int32_t end_row,
                                 void *scratch);
void conv_2d_halves_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                   struct output_rows output, int32_t first_row, int32_t end_row,
                                   void *scratch);
void conv_2d_sliding_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                  struct output_rows output, int32_t first_row, int32_t end_row,
                                  void *scratch);
void conv_2d_sliding_nearest_dsp_s8(const struct conv_2d_dsp_params *params,
                                    struct input_rows input, struct output_rows output,
                                    int32_t first_row, int32_t end_row, void *scratch);

#endif  // ESPALIER_KERNELS_DSP_CONV_2D_DSP_S8_H_
