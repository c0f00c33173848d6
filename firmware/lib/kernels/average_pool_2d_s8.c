#include "pool_2d_s8.h"
#include "requantize.h"
#include "window.h"

static int8_t average(const struct pool_2d_params *p, const int8_t *input, int32_t rows,
                      int32_t columns) {
  int32_t sum = 0;
  for (int32_t row = 0; row < rows; ++row) {
    const int8_t *x = input + row * p->input_w * p->channels;
    for (int32_t column = 0; column < columns; ++column) {
      sum += *x;
      x += p->channels;
    }
  }
  int32_t count = rows * columns;
  int32_t half = sum > 0 ? count / 2 : -(count / 2);
  return (int8_t)clamp((sum + half) / count, p->output_min, p->output_max);
}

void average_pool_2d_s8(const struct pool_2d_params *params, const int8_t *input, int8_t *output) {
  for (int32_t oy = 0; oy < params->output_h; ++oy) {
    int32_t iy = oy * params->stride_h - params->pad_top;
    struct window_range y = window_inside(iy, 1, params->filter_h, params->input_h);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      int32_t ix = ox * params->stride_w - params->pad_left;
      struct window_range x = window_inside(ix, 1, params->filter_w, params->input_w);
      const int8_t *first =
          input + ((iy + y.first) * params->input_w + ix + x.first) * params->channels;
      for (int32_t channel = 0; channel < params->channels; ++channel) {
        *output++ = average(params, first + channel, y.last - y.first, x.last - x.first);
      }
    }
  }
}
