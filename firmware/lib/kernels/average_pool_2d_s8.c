#include "pool_2d_s8.h"
#include "requantize.h"
#include "window.h"

// Of the window whose first column lies at `left` in the ring's first row, and whose first row
// `top` bytes behind that.
static int8_t average(const struct pool_2d_params *p, const int8_t *left, int32_t top,
                      int32_t ring_bytes, int32_t rows, int32_t columns) {
  int32_t sum = 0;
  for (int32_t row = 0; row < rows; ++row) {
    const int8_t *x = left + top;
    for (int32_t column = 0; column < columns; ++column) {
      sum += *x;
      x += p->channels;
    }
    top = next_row(top, p->input_w * p->channels, ring_bytes);
  }
  int32_t count = rows * columns;
  int32_t half = sum > 0 ? count / 2 : -(count / 2);
  return (int8_t)clamp((sum + half) / count, p->output_min, p->output_max);
}

void average_pool_2d_s8(const struct pool_2d_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t row_bytes = params->input_w * params->channels;
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    int32_t iy = oy * params->stride_h - params->pad_top;
    struct window_range y = window_inside(iy, 1, params->filter_h, params->input_h);
    int32_t top = (iy + y.first) % input.ring * row_bytes;
    int8_t *result = output_row(output, oy, params->output_w * params->channels);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      int32_t ix = ox * params->stride_w - params->pad_left;
      struct window_range x = window_inside(ix, 1, params->filter_w, params->input_w);
      const int8_t *left = input.data + (ix + x.first) * params->channels;
      for (int32_t channel = 0; channel < params->channels; ++channel) {
        *result++ = average(params, left + channel, top, input.ring * row_bytes, y.last - y.first,
                            x.last - x.first);
      }
    }
  }
}
