// Where the windows of a pooling lie.
#ifndef ESPALIER_KERNELS_DSP_POOL_WINDOW_H_
#define ESPALIER_KERNELS_DSP_POOL_WINDOW_H_

#include "../pool_2d_s8.h"
#include "../window.h"

// The part of a window that is inside the image.
struct pool_window {
  const int8_t *left;  // first column, in the ring's first row
  int32_t top;         // bytes from there to the first row
  int32_t row_bytes, ring_bytes;
  int32_t rows, columns;
};

static inline struct pool_window pool_window_rows(const struct pool_2d_params *p,
                                                  struct input_rows input, int32_t oy) {
  int32_t row_bytes = p->input_w * p->channels;
  int32_t iy = oy * p->stride_h - p->pad_top;
  struct window_range y = window_inside(iy, 1, p->filter_h, p->input_h);
  struct pool_window window = {
      .top = (iy + y.first) % input.ring * row_bytes,
      .row_bytes = row_bytes,
      .ring_bytes = input.ring * row_bytes,
      .rows = y.last - y.first,
  };
  return window;
}

static inline void pool_window_columns(const struct pool_2d_params *p, struct input_rows input,
                                       int32_t ox, struct pool_window *window) {
  int32_t ix = ox * p->stride_w - p->pad_left;
  struct window_range x = window_inside(ix, 1, p->filter_w, p->input_w);
  window->left = input.data + (ix + x.first) * p->channels;
  window->columns = x.last - x.first;
}

#endif  // ESPALIER_KERNELS_DSP_POOL_WINDOW_H_
