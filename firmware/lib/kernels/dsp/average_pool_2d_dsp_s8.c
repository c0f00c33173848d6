#include "../requantize.h"
#include "pool_2d_dsp_s8.h"
#include "pool_window.h"
#include "sum_4.h"

static inline int8_t average(const struct pool_2d_params *p, int32_t sum, int32_t count) {
  // Half the divisor, with the sum's sign: C's division rounds towards zero.
  int32_t half = ((count >> 1) ^ (sum >> 31)) - (sum >> 31);
  return (int8_t)clamp((sum + half) / count, p->output_min, p->output_max);
}

// Four channels, of which the first is `channel`.
static void average_4(const struct pool_2d_params *p, const struct pool_window *window,
                      int32_t channel, int8_t *output) {
  struct sum_4 sum = {0, 0};
  const int8_t *left = window->left + channel;
  int32_t top = window->top;
  for (int32_t row = 0; row < window->rows; ++row) {
    sum = sum_4_add(sum, left + top, p->channels, window->columns);
    top = next_row(top, window->row_bytes, window->ring_bytes);
  }
  int32_t count = window->rows * window->columns;
  output[0] = average(p, simd_bottom(sum.even), count);
  output[1] = average(p, simd_bottom(sum.odd), count);
  output[2] = average(p, simd_top(sum.even), count);
  output[3] = average(p, simd_top(sum.odd), count);
}

void average_pool_2d_dsp_s8(const struct pool_2d_params *params, struct input_rows input,
                            struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t channels = params->channels;
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct pool_window window = pool_window_rows(params, input, oy);
    int8_t *pixel = output_row(output, oy, params->output_w * channels);
    for (int32_t ox = 0; ox < params->output_w; ++ox) {
      pool_window_columns(params, input, ox, &window);
      for (int32_t channel = 0; channel < channels; channel += 4) {
        // Of the last four, some may have been done.
        int32_t first = channel < channels - 4 ? channel : channels - 4;
        average_4(params, &window, first, pixel + first);
      }
      pixel += channels;
    }
  }
}
