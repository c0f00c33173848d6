#include "depthwise_conv_2d_s8.h"

#include "requantize.h"
#include "window.h"

// One output pixel's window.
struct patch {
  const int8_t *input;              // first tap inside, channel 0
  const int8_t *filter;             // the same tap's weights, channel 0
  int32_t rows, columns;            // taps inside
  int32_t input_column, input_row;  // from one tap to the next
  int32_t filter_column, filter_row;
};

static inline struct patch locate(const struct depthwise_conv_2d_params *p, const int8_t *input,
                                  int32_t oy, int32_t ox) {
  int32_t iy = oy * p->stride_h - p->pad_top;
  int32_t ix = ox * p->stride_w - p->pad_left;
  struct window_range y = window_inside(iy, p->dilation_h, p->filter_h, p->input_h);
  struct window_range x = window_inside(ix, p->dilation_w, p->filter_w, p->input_w);
  int32_t top = iy + y.first * p->dilation_h;
  int32_t left = ix + x.first * p->dilation_w;
  int32_t rows = y.last - y.first;
  int32_t columns = x.last - x.first;
  struct patch patch = {
      // Not formed where nothing is inside: it would point outside the input.
      .input = rows > 0 && columns > 0 ? input + (top * p->input_w + left) * p->input_c : input,
      .filter = p->filter_hwc + (y.first * p->filter_w + x.first) * p->output_c,
      .rows = rows,
      .columns = columns,
      .input_column = p->dilation_w * p->input_c,
      .input_row = p->dilation_h * p->input_w * p->input_c,
      .filter_column = p->output_c,
      .filter_row = p->filter_w * p->output_c,
  };
  return patch;
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
  const int8_t *input_row = patch->input + channel;
  const int8_t *filter_row = patch->filter + channel;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = input_row;
    const int8_t *f = filter_row;
    for (int32_t column = 0; column < patch->columns; ++column) {
      a0 += (x[0] + offset) * f[0];
      a1 += (x[1] + offset) * f[1];
      a2 += (x[2] + offset) * f[2];
      a3 += (x[3] + offset) * f[3];
      x += patch->input_column;
      f += patch->filter_column;
    }
    input_row += patch->input_row;
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
  const int8_t *input_row = patch->input + input_channel;
  const int8_t *filter_row = patch->filter + channel;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = input_row;
    const int8_t *f = filter_row;
    for (int32_t column = 0; column < patch->columns; ++column) {
      acc += (*x + p->input_offset) * *f;
      x += patch->input_column;
      f += patch->filter_column;
    }
    input_row += patch->input_row;
    filter_row += patch->filter_row;
  }
  *output = finish(p, acc, channel);
}

void depthwise_conv_2d_s8(const struct depthwise_conv_2d_params *params, const int8_t *input,
                          int8_t *output) {
  for (int32_t oy = 0; oy < params->output_h; ++oy) {
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      struct patch patch = locate(params, input, oy, ox);
      int32_t channel = 0;
      if (params->depth_multiplier == 1) {
        for (; channel + 4 <= params->output_c; channel += 4) {
          convolve_4(params, &patch, channel, output + channel);
        }
      }
      int32_t input_channel = channel / params->depth_multiplier;
      for (; channel < params->output_c; ++input_channel) {
        for (int32_t m = 0; m < params->depth_multiplier; ++m, ++channel) {
          convolve_1(params, &patch, input_channel, channel, output + channel);
        }
      }
      output += params->output_c;
    }
  }
}
