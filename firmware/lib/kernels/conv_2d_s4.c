#include "conv_2d_s4.h"

#include "conv_2d_patch.h"
#include "dot_s4.h"

// `count` channels, 1 to 4, from `channel` on, of one output pixel.
//   left: as in patch, of the group
//   pairs: the filter of the first two, less what lies outside
static void convolve(const struct conv_2d_params *p, const struct patch *patch, const int8_t *left,
                     const int8_t *pairs, int32_t depth, int32_t channel, int32_t count,
                     int8_t *output) {
  int32_t filter_row = p->filter_w * depth;
  int32_t acc[4] = {0};
  for (int32_t i = 0; i < count; ++i) {
    acc[i] = p->bias[channel + i];
  }
  int32_t offset = patch->top;
  for (int32_t row = 0; row < patch->rows; ++row) {
    const int8_t *x = left + offset;
    const int8_t *f = pairs + row * filter_row;
    for (int32_t run = 0; run < patch->runs; ++run) {
      if (count > 2) {
        dot_4_s4(x, p->input_offset, f, p->filter_h * filter_row, patch->run_length, acc);
      } else {
        dot_2_s4(x, p->input_offset, f, patch->run_length, acc);
      }
      x += patch->run_step;
      f += patch->run_length;
    }
    offset = next_row(offset, patch->row_step, patch->ring_bytes);
  }
  for (int32_t i = 0; i < count; ++i) {
    output[i] = finish(p, acc[i], channel + i);
  }
}

void conv_2d_s4(const struct conv_2d_params *params, struct input_rows input,
                struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t depth = params->input_c / params->groups;
  int32_t group_channels = params->output_c / params->groups;
  int32_t filter_size = params->filter_h * params->filter_w * depth;
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct patch patch = locate_rows(params, input, oy, depth);
    int8_t *pixel = output_row(output, oy, params->output_w * params->output_c);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      locate_columns(params, input, ox, depth, &patch);
      const int8_t *pairs = params->filter_ohwi + patch.filter_top + patch.filter_column;
      const int8_t *left = patch.left;
      for (int32_t first = 0; first < params->output_c; first += group_channels, left += depth) {
        for (int32_t i = 0, count; i < group_channels; i += count) {
          count = group_channels - i < 4 ? group_channels - i : 4;
          convolve(params, &patch, left, pairs, depth, first + i, count, pixel + first + i);
          pairs += (count + 1) / 2 * filter_size;
        }
      }
      pixel += params->output_c;
    }
  }
}
