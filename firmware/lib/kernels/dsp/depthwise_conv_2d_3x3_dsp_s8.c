#include "depthwise_conv_2d_3x3_dsp_s8.h"

#include "depthwise_3x3_walk.h"
#include "simd.h"

static inline void convolve(const struct depthwise_conv_2d_3x3_dsp_params *params,
                            struct input_rows input, struct output_rows output, int32_t first_row,
                            int32_t end_row, void (*walk_rows_of)(struct depthwise_walk)) {
  int32_t channels = params->channels;
  int32_t row_bytes = params->input_w * channels;
  int32_t output_bytes = params->output_w * channels;
  int32_t step = params->stride_h * row_bytes;
  int32_t left = params->pad_left;
  int32_t stride = params->stride_w;
  int32_t right = (params->output_w - 1) * stride + 3 - left > params->input_w;
  int32_t whole = params->output_w - right;
  uint32_t zero_point = (uint32_t)params->input_zero_point;
  uint32_t sides = (uint32_t)left | (stride == 2 ? STRIDE_2 : 0u) | (right ? PAD_RIGHT : 0u);
  struct depthwise_walk walk = {
      .span = (stride == 2 ? 1 - left + 2 * whole : params->input_w) * channels,
      .next_output = output_bytes - step + (stride == 2 ? whole * channels : 0),
      .channels = channels,
      .zero_point = pkhbt(zero_point, zero_point),
      .whole = whole,
  };
  walk.next_input = step - walk.span;
  for (int32_t y = first_row; y < end_row; y += walk.rows) {
    int32_t iy = y * params->stride_h - params->pad_top;
    walk.flags = sides;
    if (iy < 0) {
      walk.flags |= PAD_ABOVE;
      ++iy;
    } else if (iy + 3 > params->input_h) {
      walk.flags |= PAD_BELOW;
      --iy;
    }
    int32_t place = iy % input.ring;
    const int8_t *from = input.data + place * row_bytes;
    int8_t *to = output_row(output, y, output_bytes);
    walk.taps = params->taps;
    walk.input = from;
    walk.second_row = (int32_t)(input_row(input, iy + 1, row_bytes) - from);
    walk.third_row = (int32_t)(input_row(input, iy + 2, row_bytes) - from);
    walk.output = (intptr_t)to - (intptr_t)from - (2 - left) * channels;
    walk.rows = 1;
    // More rows, until a ring turns or the image ends.
    int32_t end =
        input.ring - place < params->input_h - iy ? input.ring - place : params->input_h - iy;
    while (walk.flags == sides && y + walk.rows < end_row &&
           walk.rows * params->stride_h + 3 <= end && (y + walk.rows) % output.ring != 0) {
      ++walk.rows;
    }
    walk_rows_of(walk);
  }
}

#define DEPTHWISE_CONV_2D_3X3(name, walk)                                                          \
  void depthwise_conv_2d_3x3_##name##dsp_s8(const struct depthwise_conv_2d_3x3_dsp_params *params, \
                                            struct input_rows input, struct output_rows output,    \
                                            int32_t first_row, int32_t end_row) {                  \
    convolve(params, input, output, first_row, end_row, walk);                                     \
  }

DEPTHWISE_CONV_2D_3X3(, depthwise_3x3_walk)
DEPTHWISE_CONV_2D_3X3(fine_, depthwise_3x3_walk_fine)
DEPTHWISE_CONV_2D_3X3(relu_, depthwise_3x3_walk_relu)
DEPTHWISE_CONV_2D_3X3(relu_coarse_, depthwise_3x3_walk_relu_coarse)
