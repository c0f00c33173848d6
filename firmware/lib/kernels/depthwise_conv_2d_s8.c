#include "depthwise_conv_2d_s8.h"

#include "requantize.h"
#include "window.h"

// One output pixel's window: the taps that lie inside the input.
struct patch {
  int32_t top;           // bytes from the input ring's start to the first row inside
  int32_t rows;          // rows inside
  int32_t row_step;      // bytes between two of them
  int32_t ring_bytes;    // of the input
  const int8_t *left;    // first column inside, in the row at the ring's start, channel 0
  int32_t columns;       // columns inside
  int32_t column_step;   // bytes between two of them
  int32_t filter_top;    // weights before the first row inside
  const int8_t *filter;  // weights of the first tap inside, channel 0
  int32_t filter_column, filter_row;
};

// The rows of the windows of output row `oy`.
static inline struct patch locate_rows(const struct depthwise_conv_2d_params *p,
                                       struct input_rows input, int32_t oy) {
  int32_t row_bytes = p->input_w * p->input_c;
  int32_t iy = oy * p->stride_h - p->pad_top;
  struct window_range y = window_inside(iy, p->dilation_h, p->filter_h, p->input_h);
  int32_t rows = y.last - y.first;
  struct patch patch = {
      .top = rows > 0 ? (iy + y.first * p->dilation_h) % input.ring * row_bytes : 0,
      .rows = rows,
      .row_step = p->dilation_h * row_bytes,
      .ring_bytes = input.ring * row_bytes,
      .column_step = p->dilation_w * p->input_c,
      .filter_top = y.first * p->filter_w * p->output_c,
      .filter_column = p->output_c,
      .filter_row = p->filter_w * p->output_c,
  };
  return patch;
}

// The columns of the window of output column `ox`.
static inline void locate_columns(const struct depthwise_conv_2d_params *p, struct input_rows input,
                                  int32_t ox, struct patch *patch) {
  int32_t ix = ox * p->stride_w - p->pad_left;
  struct window_range x = window_inside(ix, p->dilation_w, p->filter_w, p->input_w);
  patch->columns = x.last - x.first;
  // Not formed where nothing is inside: it would point outside the input.
  patch->left =
      patch->columns > 0 ? input.data + (ix + x.first * p->dilation_w) * p->input_c : input.data;
  patch->filter = p->filter_hwc + patch->filter_top + x.first * p->output_c;
}

static inline int8_t finish(const struct depthwise_conv_2d_params *p, int32_t acc,
                            int32_t channel) {
  int32_t y = requantize(acc, p->multiplier[channel], p->shift[channel]) + p->output_offset;
  return (int8_t)clamp(y, p->output_min, p->output_max);
}

// Output channels `channel` to `channel` + 3, each from its own input channel: four in a row
// share the walk over the window.
static void convolve_4(const struct depthwise_conv_2d_params *p, const struct patch *patch,
                       int32_t channel, int8_t *output) {
  int32_t offset = p->input_offset;
  int32_t a0 = p->bias[channel];
  int32_t a1 = p->bias[channel + 1];
  int32_t a2 = p->bias[channel + 2];
  int32_t a3 = p->bias[channel + 3];
  int32_t input_row = patch->top;
  const int8_t *filter_row = patch->filter + channel;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = patch->left + channel + input_row;
    const int8_t *f = filter_row;
    for (int32_t column = 0; column < patch->columns; ++column) {
      a0 += (x[0] + offset) * f[0];
      a1 += (x[1] + offset) * f[1];
      a2 += (x[2] + offset) * f[2];
      a3 += (x[3] + offset) * f[3];
      x += patch->column_step;
      f += patch->filter_column;
    }
    input_row = next_row(input_row, patch->row_step, patch->ring_bytes);
    filter_row += patch->filter_row;
  }
  output[0] = finish(p, a0, channel);
  output[1] = finish(p, a1, channel + 1);
  output[2] = finish(p, a2, channel + 2);
  output[3] = finish(p, a3, channel + 3);
}

// One output channel from one input channel.
static void convolve_1(const struct depthwise_conv_2d_params *p, const struct patch *patch,
                       int32_t input_channel, int32_t channel, int8_t *output) {
  int32_t acc = p->bias[channel];
  int32_t input_row = patch->top;
  const int8_t *filter_row = patch->filter + channel;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = patch->left + input_channel + input_row;
    const int8_t *f = filter_row;
    for (int32_t column = 0; column < patch->columns; ++column) {
      acc += (*x + p->input_offset) * *f;
      x += patch->column_step;
      f += patch->filter_column;
    }
    input_row = next_row(input_row, patch->row_step, patch->ring_bytes);
    filter_row += patch->filter_row;
  }
  *output = finish(p, acc, channel);
}

static void convolve_pixel(const struct depthwise_conv_2d_params *p, const struct patch *patch,
                           int8_t *output) {
  int32_t channel = 0;
  if (p->depth_multiplier == 1) {
    for (; channel + 4 <= p->output_c; channel += 4) {
      convolve_4(p, patch, channel, output + channel);
    }
  }
  int32_t input_channel = channel / p->depth_multiplier;
  for (; channel < p->output_c; ++input_channel) {
    for (int32_t m = 0; m < p->depth_multiplier; ++m, ++channel) {
      convolve_1(p, patch, input_channel, channel, output + channel);
    }
  }
}

void depthwise_conv_2d_s8(const struct depthwise_conv_2d_params *params, struct input_rows input,
                          struct output_rows output, int32_t first_row, int32_t end_row) {
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct patch patch = locate_rows(params, input, oy);
    int8_t *pixel = output_row(output, oy, params->output_w * params->output_c);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      locate_columns(params, input, ox, &patch);
      convolve_pixel(params, &patch, pixel);
      pixel += params->output_c;
    }
  }
}
