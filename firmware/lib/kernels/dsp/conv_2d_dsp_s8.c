#include "conv_2d_dsp_s8.h"

#include <string.h>

#include "channel_pairs.h"
#include "columns.h"
#include "simd.h"

typedef void multiply(const struct channel_pairs *pairs, int8_t *output);

// What is the same for all pixels of a call.
struct work {
  const struct conv_2d_dsp_params *params;
  struct input_rows input;
  multiply *two, *three;  // three may be NULL
  struct channel_pairs pairs;
  uint32_t *columns;
  int32_t run_length;  // values
  int32_t run_taps;
  int32_t runs;   // of a window's row
  int8_t *bytes;  // scratch for one run of each pixel
};

// Where the next run goes.
struct target {
  uint32_t *columns;
  int8_t *rest;
  int32_t rests;  // lanes written there
  int32_t pixels;
};

// Lays one run of each pixel, `stride` bytes apart, into columns.
static void lay_run(const struct work *work, struct target *target, const int8_t *from,
                    int32_t stride) {
  uint32_t *(*expand)(uint32_t *, const int8_t *, int32_t, int32_t) =
      target->pixels == 3 ? expand_columns_3 : expand_columns_2;
  int32_t words = work->run_length / 4;
  if (words > 0) {
    target->columns = expand(target->columns, from, stride, words);
  }
  if (!work->params->rest) {
    if (work->run_length % 4 != 0) {
      target->columns = expand(target->columns, from + work->run_length - 4, stride, 1);
    }
    return;
  }
  for (int32_t i = 4 * words; i < work->run_length; ++i, ++target->rests) {
    int8_t *lane = target->rest + (target->rests / 2 * target->pixels * 2 + target->rests % 2) * 2;
    for (int32_t pixel = 0; pixel < target->pixels; ++pixel, lane += 4) {
      store_half(lane, (uint32_t)from[i + pixel * stride]);
    }
  }
}

// Copies a run that begins at column x of an input row, with padding where there is none.
static void copy_run(const struct work *work, const int8_t *row, int32_t x, int8_t *to) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t before = x < 0 ? -x : 0;
  int32_t end = p->input_w - x;
  end = end < work->run_taps ? end : work->run_taps;
  memset(to, p->input_zero_point, (size_t)work->run_length);
  if (end > before) {
    memcpy(to + before * channels, row + (x + before) * channels,
           (size_t)((end - before) * channels));
  }
}

// Lays the windows of pixels `step` columns of the input apart into columns; the first window
// begins at (y, x) of the input.
static void lay_windows(const struct work *work, struct target *target, int32_t y, int32_t x,
                        int32_t step) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t row_bytes = p->input_w * channels;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y, y += p->dilation_h) {
    int inside = y >= 0 && y < p->input_h;
    const int8_t *row = inside ? input_row(work->input, y, row_bytes) : NULL;
    int32_t run_x = x;
    for (int32_t run = 0; run < work->runs; ++run, run_x += p->dilation_w) {
      if (!inside) {
        memset(work->bytes, p->input_zero_point, (size_t)work->run_length);
        lay_run(work, target, work->bytes, 0);
      } else if (run_x >= 0 && run_x + (target->pixels - 1) * step + work->run_taps <= p->input_w) {
        lay_run(work, target, row + run_x * channels, step * channels);
      } else {
        for (int32_t i = 0; i < target->pixels; ++i) {
          copy_run(work, row, run_x + i * step, work->bytes + i * work->run_length);
        }
        lay_run(work, target, work->bytes, work->run_length);
      }
    }
  }
}

// Computes `pixels` outputs that follow each other. Their windows begin at (y, x) of the input and
// then every stride_w columns; those of one value at `from`, whatever row they are in.
static void convolve_pixels(struct work *work, int32_t y, int32_t x, const int8_t *from,
                            int32_t pixels, int8_t *output) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t rest = p->filter_h * work->runs * (work->run_length / 4) * 2;
  while (pixels > 0) {
    // Four are computed as two and two, not as three and one; a single one twice.
    int32_t group = work->three && (pixels == 3 || pixels > 4) ? 3 : 2;
    int32_t step = pixels == 1 ? 0 : p->stride_w;
    work->pairs.channels = pixels == 1 ? 0 : p->output_c;
    struct target target = {
        .columns = work->columns,
        .rest = (int8_t *)(work->columns + rest * group),
        .pixels = group,
    };
    if (from) {
      lay_run(work, &target, from, step * p->input_c);
      from += group * step * p->input_c;
    } else {
      lay_windows(work, &target, y, x, step);
      x += group * step;
    }
    (group == 3 ? work->three : work->two)(&work->pairs, output);
    output += group * p->output_c;
    pixels -= group;
  }
}

static void clamp(const struct conv_2d_dsp_params *p, int8_t *values, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    int8_t value = values[i] > p->output_min ? values[i] : p->output_min;
    values[i] = value < p->output_max ? value : p->output_max;
  }
}

static int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

static void convolve(const struct conv_2d_dsp_params *p, struct input_rows input,
                     struct output_rows output, int32_t first_row, int32_t end_row, void *scratch,
                     multiply *two, multiply *three) {
  int dense = p->dilation_w == 1;
  int32_t run_taps = dense ? p->filter_w : 1;
  struct work work = {
      .params = p,
      .input = input,
      .two = two,
      .three = three,
      .columns = scratch,
      .bytes = (int8_t *)scratch + 8 * (three ? 3 : 2) * p->blocks,
      .run_length = run_taps * p->input_c,
      .run_taps = run_taps,
      .runs = dense ? 1 : p->filter_w,
      .pairs = {scratch, p->stream, p->blocks, p->output_c, p->output_c % 2},
  };
  int32_t row_bytes = p->input_w * p->input_c;
  int pointwise = p->filter_h * p->filter_w == 1;
  int whole = pointwise && p->stride_h * p->stride_w == 1;
  int clamped = p->output_min > -128 || p->output_max < 127;
  for (int32_t y = first_row, rows = 1; y < end_row; y += rows) {
    int32_t input_y = y * p->stride_h - p->pad_top;
    if (whole) {
      // Until a ring turns, all pixels follow each other.
      rows = least(end_row - y, least(input.ring - y % input.ring, output.ring - y % output.ring));
    }
    const int8_t *from = pointwise ? input_row(input, input_y, row_bytes) : NULL;
    int8_t *to = output_row(output, y, p->output_w * p->output_c);
    convolve_pixels(&work, input_y, -p->pad_left, from, rows * p->output_w, to);
    if (clamped) {
      clamp(p, to, rows * p->output_w * p->output_c);
    }
  }
}

void conv_2d_bytes_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                struct output_rows output, int32_t first_row, int32_t end_row,
                                void *scratch) {
  convolve(params, input, output, first_row, end_row, scratch, bytes_floor_2, bytes_floor_3);
}

void conv_2d_bytes_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                  struct output_rows output, int32_t first_row, int32_t end_row,
                                  void *scratch) {
  convolve(params, input, output, first_row, end_row, scratch, bytes_nearest_2, bytes_nearest_3);
}

void conv_2d_halves_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                 struct output_rows output, int32_t first_row, int32_t end_row,
                                 void *scratch) {
  convolve(params, input, output, first_row, end_row, scratch, halves_floor_2, NULL);
}

void conv_2d_halves_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                   struct output_rows output, int32_t first_row, int32_t end_row,
                                   void *scratch) {
  convolve(params, input, output, first_row, end_row, scratch, halves_nearest_2, NULL);
}
