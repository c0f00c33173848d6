#include "conv_2d_s8.h"

#include "conv_2d_patch.h"
#include "dot_s8.h"

// Channels `channel` to `channel` + 3 of one output pixel; `left` as in patch, of the group.
static void convolve_4(const struct conv_2d_params *p, const struct patch *patch,
                       const int8_t *left, int32_t channel, int32_t depth, int8_t *output) {
  int32_t filter_row = p->filter_w * depth;
  int32_t filter_size = p->filter_h * filter_row;
  const int8_t *filter =
      p->filter_ohwi + channel * filter_size + patch->filter_top + patch->filter_column;
  int32_t acc[4];
  for (int i = 0; i < 4; ++i) {
    acc[i] = p->bias[channel + i];
  }
  int32_t offset = patch->top;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = left + offset;
    const int8_t *f = filter + row * filter_row;
    for (int32_t run = 0; run < patch->runs; ++run) {
      dot_4_s8(x, p->input_offset, f, filter_size, patch->run_length, acc);
      x += patch->run_step;
      f += patch->run_length;
    }
    offset = next_row(offset, patch->row_step, patch->ring_bytes);
  }
  for (int i = 0; i < 4; ++i) {
    output[i] = finish(p, acc[i], channel + i);
  }
}

// One channel of one output pixel; `left` as in patch, of the group.
static void convolve_1(const struct conv_2d_params *p, const struct patch *patch,
                       const int8_t *left, int32_t channel, int32_t depth, int8_t *output) {
  int32_t filter_row = p->filter_w * depth;
  const int8_t *filter = p->filter_ohwi + channel * p->filter_h * filter_row + patch->filter_top +
                         patch->filter_column;
  int32_t acc = p->bias[channel];
  int32_t offset = patch->top;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = left + offset;
    const int8_t *f = filter + row * filter_row;
    for (int32_t run = 0; run < patch->runs; ++run) {
      acc += dot_s8(x, p->input_offset, f, patch->run_length);
      x += patch->run_step;
      f += patch->run_length;
    }
    offset = next_row(offset, patch->row_step, patch->ring_bytes);
  }
  *output = finish(p, acc, channel);
}

void conv_2d_s8(const struct conv_2d_params *params, struct input_rows input,
                struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t depth = params->input_c / params->groups;
  int32_t group_channels = params->output_c / params->groups;
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct patch patch = locate_rows(params, input, oy, depth);
    int8_t *pixel = output_row(output, oy, params->output_w * params->output_c);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      locate_columns(params, input, ox, depth, &patch);
      int32_t channel = 0;
      for (int32_t group = 0; group < params->groups; ++group) {
        const int8_t *left = patch.left + group * depth;
        int32_t end = channel + group_channels;
        for (; channel + 4 <= end; channel += 4) {
          convolve_4(params, &patch, left, channel, depth, pixel + channel);
        }
        for (; channel < end; ++channel) {
          convolve_1(params, &patch, left, channel, depth, pixel + channel);
        }
      }
      pixel += params->output_c;
    }
  }
}
