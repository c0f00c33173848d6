// Where the windows of a convolution lie, and what becomes of its sums: for every type of weights.
#ifndef ESPALIER_KERNELS_CONV_2D_PATCH_H_
#define ESPALIER_KERNELS_CONV_2D_PATCH_H_

#include <stdint.h>

#include "conv_2d_s8.h"
#include "requantize.h"
#include "window.h"

// One output pixel's window: the taps that lie inside the input.
struct patch {
  int32_t top;            // bytes from the input ring's start to the first row inside
  int32_t rows;           // rows inside
  int32_t row_step;       // bytes between two of them
  int32_t ring_bytes;     // of the input
  const int8_t *left;     // first column inside, in the row at the ring's start
  int32_t runs;           // stretches of contiguous input in a row
  int32_t run_length;     // values in a stretch
  int32_t run_step;       // input values between two stretches of a row
  int32_t filter_top;     // weights before the first row inside
  int32_t filter_column;  // and in a row, before the first column inside
};

// The rows of the windows of output row `oy`.
static inline struct patch locate_rows(const struct conv_2d_params *p, struct input_rows input,
                                       int32_t oy, int32_t depth) {
  int32_t row_bytes = p->input_w * p->input_c;
  int32_t iy = oy * p->stride_h - p->pad_top;
  struct window_range y = window_inside(iy, p->dilation_h, p->filter_h, p->input_h);
  int32_t rows = y.last - y.first;
  struct patch patch = {
      .top = rows > 0 ? (iy + y.first * p->dilation_h) % input.ring * row_bytes : 0,
      .rows = rows,
      .row_step = p->dilation_h * row_bytes,
      .ring_bytes = input.ring * row_bytes,
      .filter_top = y.first * p->filter_w * depth,
  };
  return patch;
}

// The columns of the window of output column `ox`.
static inline void locate_columns(const struct conv_2d_params *p, struct input_rows input,
                                  int32_t ox, int32_t depth, struct patch *patch) {
  int32_t ix = ox * p->stride_w - p->pad_left;
  struct window_range x = window_inside(ix, p->dilation_w, p->filter_w, p->input_w);
  int32_t taps = x.last - x.first;
  // Neighbouring taps are neighbours in memory unless dilated or grouped: then a row of the
  // window is one stretch.
  int dense = p->dilation_w == 1 && p->groups == 1;
  // Not formed where nothing is inside: it would point outside the input.
  patch->left = taps > 0 ? input.data + (ix + x.first * p->dilation_w) * p->input_c : input.data;
  patch->runs = taps == 0 ? 0 : (dense ? 1 : taps);
  patch->run_length = dense ? taps * depth : depth;
  patch->run_step = p->dilation_w * p->input_c;
  patch->filter_column = x.first * depth;
}

static inline int8_t finish(const struct conv_2d_params *p, int32_t acc, int32_t channel) {
  int32_t y = requantize(acc, p->multiplier[channel], p->shift[channel]) + p->output_offset;
  return (int8_t)clamp(y, p->output_min, p->output_max);
}

#endif  // ESPALIER_KERNELS_CONV_2D_PATCH_H_
