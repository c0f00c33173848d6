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
  uint32_t *columns;
  struct channel_pairs pairs;
  struct column_runs runs;
  int32_t words;           // of a pixel's column, before the rest
  int32_t reach_w;         // columns of the input that a window spans
  int32_t *offsets;        // of the runs of an output row's windows
  int32_t *patch_offsets;  // of the runs in the patch
  int8_t *patch;           // copy of the part of the input below a group's windows, with padding
  int32_t patch_w;
};

// Fills the patch below windows that begin at (y, x) of the input and span `span` columns.
static void fill_patch(const struct work *work, int32_t y, int32_t x, int32_t span) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t before = x < 0 ? -x : 0;
  int32_t end = p->input_w - x < span ? p->input_w - x : span;
  int32_t inside = (end - before) * channels;
  int8_t *row = work->patch;
  memset(row, p->input_zero_point, (size_t)(p->filter_h * work->patch_w * channels));
  for (int32_t i = 0; i < p->filter_h; ++i, y += p->dilation_h) {
    if (y >= 0 && y < p->input_h && inside > 0) {
      const int8_t *from = input_row(work->input, y, p->input_w * channels);
      memcpy(row + before * channels, from + (x + before) * channels, (size_t)inside);
    }
    row += work->patch_w * channels;
  }
}

// Fills in where the runs of windows begin whose rows are `row_bytes` apart in a ring of
// `ring_bytes`.
static void list_runs(const struct conv_2d_dsp_params *p, int32_t *offsets, int32_t first,
                      int32_t row_bytes, int32_t ring_bytes) {
  int32_t taps = p->dilation_w == 1 ? 1 : p->filter_w;
  for (int32_t y = 0; y < p->filter_h; ++y) {
    for (int32_t x = 0; x < taps; ++x) {
      *offsets++ = first + x * p->dilation_w * p->input_c;
    }
    first = next_row(first, row_bytes, ring_bytes);
  }
}

// Computes `pixels` outputs that follow each other. Their windows begin at (y, x) of the input and
// then every stride_w columns; `inside` says whether all rows are. Windows of one value begin at
// `from`, whatever row they are in.
static void convolve_pixels(struct work *work, int32_t y, int32_t x, int inside, const int8_t *from,
                            int32_t pixels, int8_t *output) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  while (pixels > 0) {
    // Four are computed as two and two, not as three and one; a single one twice.
    int32_t group = work->three && (pixels == 3 || pixels > 4) ? 3 : 2;
    int32_t step = pixels == 1 ? 0 : p->stride_w;
    int32_t span = (group - 1) * step + work->reach_w;
    work->pairs.channels = pixels == 1 ? 0 : p->output_c;
    work->runs.stride = step * channels;
    work->runs.rest = (uint16_t *)(work->columns + work->words * group);
    if (from) {
      work->runs.from = from;
      from += group * step * channels;
    } else if (inside && x >= 0 && x + span <= p->input_w) {
      work->runs.from = work->input.data + x * channels;
      work->runs.offsets = work->offsets;
    } else {
      fill_patch(work, y, x, span);
      work->runs.from = work->patch;
      work->runs.offsets = work->patch_offsets;
    }
    x += group * step;
    if (group == 3) {
      lay_columns_3(work->columns, &work->runs);
      work->three(&work->pairs, output);
    } else {
      lay_columns_2(work->columns, &work->runs);
      work->two(&work->pairs, output);
    }
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
  int32_t channels = p->input_c;
  int32_t row_bytes = p->input_w * channels;
  int dense = p->dilation_w == 1;
  int32_t run_length = (dense ? p->filter_w : 1) * channels;
  int32_t runs = p->filter_h * (dense ? 1 : p->filter_w);
  int32_t tail = run_length % 4;
  int32_t group = three ? 3 : 2;
  int32_t *offsets = scratch;
  uint32_t *columns = (uint32_t *)(offsets + 2 * runs);
  struct work work = {
      .params = p,
      .input = input,
      .two = two,
      .three = three,
      .columns = columns,
      .pairs = {columns, p->stream, p->blocks, p->output_c, p->output_c % 2},
      .runs = {.offsets = offsets,
               .count = runs,
               .words = run_length / 4,
               .back = p->rest || tail == 0 ? 0 : 4 - tail,
               .singles = p->rest ? tail : 0},
      .words = runs * (run_length / 4) * 2,
      .reach_w = (p->filter_w - 1) * p->dilation_w + 1,
      .offsets = offsets,
      .patch_offsets = offsets + runs,
      .patch = (int8_t *)(columns + 2 * group * p->blocks),
  };
  work.patch_w = (group - 1) * p->stride_w + work.reach_w;
  int32_t patch_bytes = work.patch_w * channels;
  list_runs(p, work.patch_offsets, 0, patch_bytes, p->filter_h * patch_bytes + 1);
  int32_t reach_h = (p->filter_h - 1) * p->dilation_h + 1;
  int pointwise = p->filter_h * p->filter_w == 1;
  int whole = pointwise && p->stride_h * p->stride_w == 1;
  for (int32_t y = first_row, rows = 1; y < end_row; y += rows) {
    int32_t input_y = y * p->stride_h - p->pad_top;
    int inside = input_y >= 0 && input_y + reach_h <= p->input_h;
    const int8_t *from = NULL;
    if (pointwise) {
      from = input_row(input, input_y, row_bytes);
      offsets[0] = 0;
    } else if (inside) {
      list_runs(p, offsets, input_y % input.ring * row_bytes, p->dilation_h * row_bytes,
                input.ring * row_bytes);
    }
    if (whole) {
      // Until a ring turns, all pixels follow each other.
      rows = least(end_row - y, least(input.ring - y % input.ring, output.ring - y % output.ring));
    }
    int32_t pixels = rows * p->output_w;
    int8_t *to = output_row(output, y, p->output_w * p->output_c);
    convolve_pixels(&work, input_y, -p->pad_left, inside, from, pixels, to);
    if (p->output_min > -128 || p->output_max < 127) {
      clamp(p, to, pixels * p->output_c);
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
