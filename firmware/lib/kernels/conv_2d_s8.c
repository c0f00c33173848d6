#include "conv_2d_s8.h"

#include "dot_s8.h"
#include "requantize.h"
#include "window.h"

// One output pixel's window: where it starts in the input and which taps are inside.
struct patch {
  const int8_t *first;  // first tap inside, first channel of the group
  int32_t filter_skip;  // weights before the first tap inside
  int32_t rows;         // taps inside, vertically
  int32_t runs;         // stretches of contiguous input in a row
  int32_t run_length;   // values in a stretch
  int32_t run_step;     // input values between two stretches of a row
  int32_t row_step;     // input values between two rows
};

static inline struct patch locate(const struct conv_2d_params *p, const int8_t *input, int32_t oy,
                                  int32_t ox, int32_t depth) {
  int32_t iy = oy * p->stride_h - p->pad_top;
  int32_t ix = ox * p->stride_w - p->pad_left;
  struct window_range y = window_inside(iy, p->dilation_h, p->filter_h, p->input_h);
  struct window_range x = window_inside(ix, p->dilation_w, p->filter_w, p->input_w);
  int32_t taps = x.last - x.first;
  // Neighbouring taps are neighbours in memory unless dilated or grouped: then a row of the
  // window is one stretch.
  int dense = p->dilation_w == 1 && p->groups == 1;
  int32_t top = iy + y.first * p->dilation_h;
  int32_t left = ix + x.first * p->dilation_w;
  struct patch patch = {
      // Not formed where nothing is inside: it would point outside the input.
      .first =
          taps > 0 && y.last > y.first ? input + (top * p->input_w + left) * p->input_c : input,
      .filter_skip = (y.first * p->filter_w + x.first) * depth,
      .rows = y.last - y.first,
      .runs = taps == 0 ? 0 : (dense ? 1 : taps),
      .run_length = dense ? taps * depth : depth,
      .run_step = p->dilation_w * p->input_c,
      .row_step = p->dilation_h * p->input_w * p->input_c,
  };
  return patch;
}

static inline int8_t finish(const struct conv_2d_params *p, int32_t acc, int32_t channel) {
  int32_t y = requantize(acc, p->multiplier[channel], p->shift[channel]) + p->output_offset;
  return (int8_t)clamp(y, p->output_min, p->output_max);
}

// Channels `channel` to `channel` + 3 of one output pixel.
static void convolve_4(const struct conv_2d_params *p, const struct patch *patch,
                       const int8_t *input, int32_t channel, int32_t depth, int8_t *output) {
  int32_t filter_row = p->filter_w * depth;
  int32_t filter_size = p->filter_h * filter_row;
  const int8_t *filter = p->filter_ohwi + channel * filter_size + patch->filter_skip;
  int32_t acc[4];
  for (int i = 0; i < 4; ++i) {
    acc[i] = p->bias[channel + i];
  }
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = input + row * patch->row_step;
    const int8_t *f = filter + row * filter_row;
    for (int32_t run = 0; run < patch->runs; ++run) {
      dot_4_s8(x, p->input_offset, f, filter_size, patch->run_length, acc);
      x += patch->run_step;
      f += patch->run_length;
    }
  }
  for (int i = 0; i < 4; ++i) {
    output[i] = finish(p, acc[i], channel + i);
  }
}

// One channel of one output pixel.
static void convolve_1(const struct conv_2d_params *p, const struct patch *patch,
                       const int8_t *input, int32_t channel, int32_t depth, int8_t *output) {
  int32_t filter_row = p->filter_w * depth;
  const int8_t *filter = p->filter_ohwi + channel * p->filter_h * filter_row + patch->filter_skip;
  int32_t acc = p->bias[channel];
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = input + row * patch->row_step;
    const int8_t *f = filter + row * filter_row;
    for (int32_t run = 0; run < patch->runs; ++run) {
      acc += dot_s8(x, p->input_offset, f, patch->run_length);
      x += patch->run_step;
      f += patch->run_length;
    }
  }
  *output = finish(p, acc, channel);
}

void conv_2d_s8(const struct conv_2d_params *params, const int8_t *input, int8_t *output) {
  int32_t depth = params->input_c / params->groups;
  int32_t group_channels = params->output_c / params->groups;
  for (int32_t oy = 0; oy < params->output_h; ++oy) {
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      struct patch patch = locate(params, input, oy, ox, depth);
      int32_t channel = 0;
      for (int32_t group = 0; group < params->groups; ++group) {
        const int8_t *x = patch.first + group * depth;
        int32_t end = channel + group_channels;
        for (; channel + 4 <= end; channel += 4) {
          convolve_4(params, &patch, x, channel, depth, output + channel);
        }
        for (; channel < end; ++channel) {
          convolve_1(params, &patch, x, channel, depth, output + channel);
        }
      }
      output += params->output_c;
    }
  }
}
