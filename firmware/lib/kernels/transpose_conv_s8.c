#include "transpose_conv_s8.h"

#include "dot_s8.h"
#include "requantize.h"

// Taps first, first + stride, ... of one axis that read the input; the first one reads position
// `place`, each further one the position before.
struct taps {
  int32_t first;
  int32_t place;
  int32_t count;
};

static struct taps taps_of(int32_t target, int32_t stride, int32_t size, int32_t input_size) {
  struct taps taps = {target % stride, target / stride, 0};
  if (taps.place >= input_size) {
    int32_t beyond = taps.place - input_size + 1;
    taps.first += beyond * stride;
    taps.place -= beyond;
  }
  if (taps.first < size) {
    int32_t fitting = (size - taps.first + stride - 1) / stride;
    taps.count = fitting <= taps.place + 1 ? fitting : taps.place + 1;
  }
  return taps;
}

static int8_t convolve(const struct transpose_conv_params *p, struct input_rows input,
                       struct taps y, struct taps x, int32_t channel) {
  int32_t depth = p->input_c;
  int32_t filter_row = p->filter_w * depth;
  const int8_t *filter = p->filter_ohwi + channel * p->filter_h * filter_row;
  int32_t acc = p->bias[channel];
  for (int32_t i = 0; i < y.count; ++i) {
    const int8_t *row = input_row(input, y.place - i, p->input_w * depth);
    const int8_t *weights = filter + (y.first + i * p->stride_h) * filter_row;
    for (int32_t j = 0; j < x.count; ++j) {
      acc += dot_s8(row + (x.place - j) * depth, p->input_offset,
                    weights + (x.first + j * p->stride_w) * depth, depth);
    }
  }
  int32_t result = requantize(acc, p->multiplier[channel], p->shift[channel]) + p->output_offset;
  return (int8_t)clamp(result, p->output_min, p->output_max);
}

void transpose_conv_s8(const struct transpose_conv_params *params, struct input_rows input,
                       struct output_rows output, int32_t first_row, int32_t end_row) {
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct taps y =
        taps_of(oy + params->pad_top, params->stride_h, params->filter_h, params->input_h);
    int8_t *result = output_row(output, oy, params->output_w * params->output_c);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      struct taps x =
          taps_of(ox + params->pad_left, params->stride_w, params->filter_w, params->input_w);
      for (int32_t channel = 0; channel < params->output_c; ++channel) {
        *result++ = convolve(params, input, y, x, channel);
      }
    }
  }
}
