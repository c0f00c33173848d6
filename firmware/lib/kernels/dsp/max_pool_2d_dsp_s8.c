#include "pool_2d_dsp_s8.h"
#include "pool_window.h"
#include "simd.h"

struct limits {
  uint32_t lowest, highest;  // in each byte
};

static inline uint32_t clamp_4(uint32_t x, struct limits limits) {
  return min_s8x4(max_s8x4(x, limits.lowest), limits.highest);
}

static uint32_t maximum_4(const struct pool_2d_params *p, const struct pool_window *window,
                          int32_t channel) {
  uint32_t largest = UINT32_C(0x80808080);
  int32_t top = window->top;
  for (int32_t row = 0; row < window->rows; ++row) {
    const int8_t *x = window->left + top + channel;
    for (int32_t column = 0; column < window->columns; ++column) {
      largest = max_s8x4(largest, load_word(x));
      x += p->channels;
    }
    top = next_row(top, window->row_bytes, window->ring_bytes);
  }
  return largest;
}

// Pixels whose windows are two rows and two columns; most are. Both rows begin at their windows.
// Not inlined, so that all it needs fits into registers.
static __attribute__((noinline)) void pool_2x2(const int8_t *above, const int8_t *below,
                                               int32_t step, int32_t pixels, int32_t channels,
                                               struct limits limits, int8_t *output) {
  for (; pixels > 0; --pixels) {
    int32_t channel = 0;
    while (channel < channels) {
      // Of the last four, some may have been done.
      channel = channel < channels - 4 ? channel : channels - 4;
      const int8_t *x = above + channel;
      const int8_t *y = below + channel;
      uint32_t largest = max_s8x4(max_s8x4(load_word(x), load_word(x + channels)),
                                  max_s8x4(load_word(y), load_word(y + channels)));
      store_word(output + channel, clamp_4(largest, limits));
      channel += 4;
    }
    above += step;
    below += step;
    output += channels;
  }
}

static void pool_pixel(const struct pool_2d_params *p, const struct pool_window *window,
                       struct limits limits, int8_t *output) {
  int32_t channel = 0;
  while (channel < p->channels) {
    channel = channel < p->channels - 4 ? channel : p->channels - 4;
    store_word(output + channel, clamp_4(maximum_4(p, window, channel), limits));
    channel += 4;
  }
}

void max_pool_2d_dsp_s8(const struct pool_2d_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row) {
  const struct limits limits = {(uint8_t)params->output_min * 0x01010101u,
                                (uint8_t)params->output_max * 0x01010101u};
  int32_t channels = params->channels;
  for (int32_t oy = first_row; oy < end_row; ++oy) {
    struct pool_window window = pool_window_rows(params, input, oy);
    int8_t *pixel = output_row(output, oy, params->output_w * channels);
    int32_t ox = 0;
    if (params->filter_w == 2 && params->pad_left == 0 && window.rows == 2) {
      int32_t whole = (params->input_w - 2) / params->stride_w + 1;
      ox = whole < params->output_w ? whole : params->output_w;
      pool_2x2(input.data + window.top,
               input.data + next_row(window.top, window.row_bytes, window.ring_bytes),
               params->stride_w * channels, ox, channels, limits, pixel);
    }
    for (; ox < params->output_w; ++ox) {
      pool_window_columns(params, input, ox, &window);
      pool_pixel(params, &window, limits, pixel + ox * channels);
    }
  }
}
