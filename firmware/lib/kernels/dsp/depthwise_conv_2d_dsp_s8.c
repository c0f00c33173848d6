#include "depthwise_conv_2d_dsp_s8.h"

#include "simd.h"

// One channel at a time: its weights, and the rows of it that some rows of output need, are
// widened to 16 bits in the scratch, padding included.
struct plane {
  uint32_t *weights;  // pairs of neighbours; an odd row ends with a zero
  int32_t step;       // bytes from one window to the next
  int32_t pairs;      // of weights in a row
  int32_t window_rows;
  int32_t next_row;     // bytes from the end of a window's row to its next row
  uint32_t *values;     // pairs of neighbours
  int32_t row_words;    // of values
  uint32_t zero_point;  // in both lanes
};

static void widen_weights(const struct depthwise_conv_2d_dsp_params *p, const struct plane *plane,
                          const int8_t *filter, int32_t prescale) {
  uint32_t *to = plane->weights;
  for (int32_t row = 0; row < p->filter_h; ++row) {
    int32_t left = p->filter_w;
    for (; left >= 2; left -= 2) {
      *to++ = pkhbt((uint32_t)filter[0] << prescale, (uint32_t)filter[1] << prescale);
      filter += 2;
    }
    if (left > 0) {
      *to++ = ((uint32_t)*filter++ << prescale) & 0xFFFFu;
    }
  }
}

// A row of the image; `pad_left` and what is right of the row have been filled before.
static void widen_row(const struct depthwise_conv_2d_dsp_params *p, const struct plane *plane,
                      const int8_t *x, uint32_t *to) {
  int32_t step = p->channels;
  int32_t left = p->input_w;
  to += p->pad_left / 2;
  if (p->pad_left % 2) {
    *to++ = pkhbt(plane->zero_point, (uint32_t)*x);
    x += step;
    --left;
  }
  for (; left >= 2; left -= 2) {
    *to++ = pkhbt((uint32_t)x[0], (uint32_t)x[step]);
    x += 2 * step;
  }
  if (left > 0) {
    *to = pkhbt((uint32_t)*x, plane->zero_point);
  }
}

static const uint32_t *move(const uint32_t *x, int32_t bytes) {
  return (const uint32_t *)((const uint8_t *)x + bytes);
}

// One output, whose window begins at `x`.
static int32_t window(const struct plane *plane, const uint32_t *x, const int32_t *constants) {
  int32_t acc = constants[0];
  const uint32_t *weights = plane->weights;
  for (int32_t row = 0; row < plane->window_rows; ++row) {
    for (int32_t pair = 0; pair < plane->pairs; ++pair) {
      acc = smlad(load_word(x), *weights, acc);
      ++x;
      ++weights;
    }
    x = move(x, plane->next_row);
  }
  int32_t rounding = constants[2] + (acc < 0 ? constants[3] : 0);
  return ssat8(smmla(acc, constants[1], rounding) >> (constants[4] & 0xFF));
}

// Four outputs as the bytes of a word; their windows begin at `x` and each `step` bytes further.
#if defined(__ARM_FEATURE_DSP)
uint32_t depthwise_window_4(const struct plane *plane, const uint32_t *x, const int32_t *constants);
__asm__(
    ".syntax unified\n"
    ".section .text.depthwise_window_4, \"ax\", %progbits\n"
    ".p2align 2\n"
    ".global depthwise_window_4\n"
    ".thumb_func\n"
    ".type depthwise_window_4, %function\n"
    "depthwise_window_4:\n"
    " push {r2, r4-r11, lr}\n"
    " ldr r4, [r2]\n"
    " mov r5, r4\n"
    " mov r6, r4\n"
    " mov r7, r4\n"
    // r0 weights    r1 values    r3 step    r4-r7 sums    r8 three steps    r9 rows
    // r10 to the next row    r11 pairs    r12 a pair of weights    r2, lr pairs of values
    " ldm r0, {r0, r3, r8, r9, r10}\n"
    " push {r8}\n"
    " add r8, r3, r3, lsl #1\n"
    "1:\n"
    " ldr r11, [sp]\n"
    "2:\n"
    " ldr r12, [r0], #4\n"
    " ldr r2, [r1, r3]\n"
    " ldr lr, [r1, r3, lsl #1]\n"
    " smlad r5, r2, r12, r5\n"
    " smlad r6, lr, r12, r6\n"
    " ldr r2, [r1, r8]\n"
    " ldr lr, [r1], #4\n"
    " smlad r7, r2, r12, r7\n"
    " smlad r4, lr, r12, r4\n"
    " subs r11, r11, #1\n"
    " bne 2b\n"
    " add r1, r1, r10\n"
    " subs r9, r9, #1\n"
    " bne 1b\n"
    " pop {r0, r2}\n"
    // r1 multiplier    r2 rounding    r3 what is added to it for a negative sum    lr shift, in its
    // lowest byte
    " add r3, r2, #4\n"
    " ldm r3, {r1, r2, r3, lr}\n"
    " .irp sum, r4, r5, r6, r7\n"
    " and r12, r3, \\sum, asr #31\n"
    " add r12, r12, r2\n"
    " smmla \\sum, \\sum, r1, r12\n"
    " asr \\sum, \\sum, lr\n"
    " ssat \\sum, #8, \\sum\n"
    " .endr\n"
    " bfi r4, r5, #8, #24\n"
    " bfi r4, r6, #16, #16\n"
    " bfi r4, r7, #24, #8\n"
    " mov r0, r4\n"
    " pop {r4-r11, pc}\n"
    ".size depthwise_window_4, . - depthwise_window_4\n"
    ".text\n");
#else
static uint32_t depthwise_window_4(const struct plane *plane, const uint32_t *x,
                                   const int32_t *constants) {
  uint32_t results = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t result = (uint32_t)window(plane, move(x, i * plane->step), constants);
    results |= (result & 0xFFu) << 8 * i;
  }
  return results;
}
#endif

// A row of outputs, whose windows begin at `x`.
static void convolve_row(const struct plane *plane, const uint32_t *x, const int32_t *constants,
                         int32_t pixels, int32_t channels, int8_t *output) {
  for (; pixels > 1; pixels -= 4) {
    // Of the last windows, some may lie behind the row.
    uint32_t results = depthwise_window_4(plane, x, constants);
    for (int32_t i = pixels < 4 ? pixels : 4; i > 0; --i) {
      *output = (int8_t)(uint8_t)results;
      results >>= 8;
      output += channels;
    }
    x = move(x, 4 * plane->step);
  }
  if (pixels == 1) {
    *output = (int8_t)window(plane, x, constants);
  }
}

// Rows of output, as many as the plane and the output's ring hold.
static void convolve_rows(const struct depthwise_conv_2d_dsp_params *p, const struct plane *plane,
                          struct input_rows input, int8_t *output, int32_t first_row,
                          int32_t rows) {
  int32_t row_bytes = p->input_w * p->channels;
  int32_t top = first_row * p->stride_h - p->pad_top;
  int32_t end = top + (rows - 1) * p->stride_h + (p->filter_h - 1) * p->dilation_h + 1;
  for (int32_t i = 0; i < (end - top) * plane->row_words; ++i) {
    plane->values[i] = plane->zero_point;
  }
  for (int32_t channel = 0; channel < p->channels; ++channel) {
    const int32_t *constants = p->constants + 5 * channel;
    widen_weights(p, plane, p->filter_chw + channel * p->filter_h * p->filter_w, constants[4] >> 8);
    for (int32_t y = top > 0 ? top : 0; y < end && y < p->input_h; ++y) {
      widen_row(p, plane, input_row(input, y, row_bytes) + channel,
                plane->values + (y - top) * plane->row_words);
    }
    for (int32_t row = 0; row < rows; ++row) {
      convolve_row(plane, plane->values + row * p->stride_h * plane->row_words, constants,
                   p->output_w, p->channels, output + row * p->output_w * p->channels + channel);
    }
  }
}

void depthwise_conv_2d_dsp_s8(const struct depthwise_conv_2d_dsp_params *params,
                              struct input_rows input, struct output_rows output, int32_t first_row,
                              int32_t end_row, void *scratch) {
  uint32_t zero_point = (uint32_t)params->input_zero_point;
  int32_t pairs = (params->filter_w + 1) / 2;
  int32_t row_words = params->plane_columns / 2;
  struct plane plane = {
      .weights = scratch,
      .step = params->stride_w * (int32_t)sizeof(int16_t),
      .pairs = pairs,
      .window_rows = params->filter_h,
      .next_row = (params->dilation_h * row_words - pairs) * (int32_t)sizeof(uint32_t),
      .values = (uint32_t *)scratch + params->filter_h * pairs,
      .row_words = row_words,
      .zero_point = pkhbt(zero_point, zero_point),
  };
  int32_t reach = (params->filter_h - 1) * params->dilation_h + 1;
  int32_t most = (params->plane_rows - reach) / params->stride_h + 1;
  while (first_row < end_row) {
    int32_t place = first_row % output.ring;
    int32_t rows = end_row - first_row < most ? end_row - first_row : most;
    rows = rows < output.ring - place ? rows : output.ring - place;
    convolve_rows(params, &plane, input, output.data + place * params->output_w * params->channels,
                  first_row, rows);
    first_row += rows;
  }
}
