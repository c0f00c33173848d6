#include "conv_2d_dsp_s8.h"

#include <string.h>

#include "channel_pairs.h"
#include "columns.h"
#include "simd.h"

// What to do with groups of two and of three pixels; NULL where it is not done with three.
struct kernels {
  void (*lay[2])(uint32_t *columns, struct column_runs *runs);
  void (*multiply[2])(const struct channel_pairs *pairs, int8_t *output);
  int32_t more;  // pixels of the input that are laid for a group, beyond one for each of its pixels
};

// A call, and how far it is: y and x are where the next pixel's window begins in the input.
struct work {
  const struct conv_2d_dsp_params *params;
  const struct kernels *kernels;
  struct input_rows input;
  int32_t y, x;
  int inside;          // whether all rows of these windows are
  const int8_t *from;  // the next pixel of the input, if windows have one value; else NULL
  int8_t *output;
  struct channel_pairs pairs;
  struct column_runs runs;
  int32_t words;           // of a pixel's column, before the rest
  int32_t reach_w;         // columns of the input that a window spans
  int32_t *offsets;        // of the runs of these windows
  int32_t *patch_offsets;  // of the runs in the patch
  int8_t *patch;           // copy of the part of the input below a group's windows, with padding
  int32_t patch_w;
};

// Fills the patch below windows that span `span` columns.
static void fill_patch(const struct work *work, int32_t span) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t y = work->y;
  int32_t x = work->x;
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
  for (int32_t y = 0; y < p->filter_h; ++y) {
    for (int32_t x = 0; x < p->row_runs; ++x) {
      *offsets++ = first + x * p->dilation_w * p->input_c;
    }
    first = next_row(first, row_bytes, ring_bytes);
  }
}

// Computes groups of `size` pixels, `step` columns of the input apart.
static void convolve_groups(struct work *work, int32_t size, int32_t groups, int32_t step) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t advance = size * step;
  int32_t span = advance - step + work->reach_w;
  int32_t lanes = size + work->kernels->more;
  uint32_t *columns = (uint32_t *)work->pairs.columns;
  work->runs.stride = step * channels;
  work->runs.rest_bytes = work->words * lanes * 4;
  work->runs.group_bytes = p->blocks * lanes * 8;
  while (groups > 0) {
    int32_t now = groups < p->groups ? groups : p->groups;
    int32_t beyond = p->input_w - span - work->x;
    if (work->from) {
      work->runs.from = work->from;
      work->from += now * advance * channels;
    } else if (work->inside && work->x >= 0 && beyond >= 0) {
      // Not those that reach over the right edge.
      now = now * advance > beyond + advance ? beyond / advance + 1 : now;
      work->runs.from = work->input.data + work->x * channels;
      work->runs.offsets = work->offsets;
    } else {
      fill_patch(work, span);
      work->runs.from = work->patch;
      work->runs.offsets = work->patch_offsets;
      now = 1;
    }
    work->runs.groups = now;
    work->pairs.groups = now;
    work->kernels->lay[size - 2](columns, &work->runs);
    work->kernels->multiply[size - 2](&work->pairs, work->output);
    work->x += now * advance;
    work->output += now * size * p->output_c;
    groups -= now;
  }
}

// Computes pixels that follow each other.
static void convolve_pixels(struct work *work, int32_t pixels) {
  int32_t step = work->params->stride_w;
  if (work->kernels->lay[1]) {
    // Four are computed as two and two, not as three and one.
    int32_t groups = (pixels % 3 == 1 ? pixels - 4 : pixels) / 3;
    if (groups > 0) {
      convolve_groups(work, 3, groups, step);
      pixels -= 3 * groups;
    }
  }
  convolve_groups(work, 2, pixels / 2, step);
  if (pixels % 2 != 0) {
    // A last one is computed twice.
    work->pairs.channels = 0;
    convolve_groups(work, 2, 1, 0);
    work->pairs.channels = work->params->output_c;
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
                     const struct kernels *kernels) {
  int32_t row_bytes = p->input_w * p->input_c;
  int32_t run_length = p->run_taps * p->input_c;
  int32_t runs = p->filter_h * p->row_runs;
  int32_t tail = run_length % 4;
  int32_t lanes = (kernels->lay[1] ? 3 : 2) + kernels->more;
  int32_t *offsets = scratch;
  uint32_t *columns = (uint32_t *)(offsets + 2 * runs);
  struct work work = {
      .params = p,
      .kernels = kernels,
      .input = input,
      .pairs = {columns, p->stream, p->blocks, p->output_c, p->output_c % 2, 1},
      .runs = {.offsets = offsets,
               .count = runs,
               .words = run_length / 4,
               .back = p->rest || tail == 0 ? 0 : 4 - tail,
               .singles = p->rest ? tail : 0},
      .words = runs * (run_length / 4) * 2,
      .reach_w = (p->filter_w - 1) * p->dilation_w + 1,
      .offsets = offsets,
      .patch_offsets = offsets + runs,
      .patch = (int8_t *)(columns + 2 * lanes * p->blocks * p->groups),
  };
  work.patch_w = (lanes - kernels->more - 1) * p->stride_w + work.reach_w;
  int32_t patch_bytes = work.patch_w * p->input_c;
  list_runs(p, work.patch_offsets, 0, patch_bytes, p->filter_h * patch_bytes + 1);
  int32_t reach_h = (p->filter_h - 1) * p->dilation_h + 1;
  int pointwise = p->filter_h * p->filter_w == 1;
  int whole = pointwise && p->stride_h * p->stride_w == 1;
  for (int32_t y = first_row, rows = 1; y < end_row; y += rows) {
    work.y = y * p->stride_h - p->pad_top;
    work.x = -p->pad_left;
    work.inside = work.y >= 0 && work.y + reach_h <= p->input_h;
    if (pointwise) {
      work.from = input_row(input, work.y, row_bytes);
      offsets[0] = 0;
    } else if (work.inside) {
      list_runs(p, offsets, work.y % input.ring * row_bytes, p->dilation_h * row_bytes,
                input.ring * row_bytes);
    }
    if (whole) {
      // Until a ring turns, all pixels follow each other.
      rows = least(end_row - y, least(input.ring - y % input.ring, output.ring - y % output.ring));
    }
    int8_t *to = output_row(output, y, p->output_w * p->output_c);
    work.output = to;
    convolve_pixels(&work, rows * p->output_w);
    if (p->output_min > -128 || p->output_max < 127) {
      clamp(p, to, rows * p->output_w * p->output_c);
    }
  }
}

void conv_2d_bytes_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                struct output_rows output, int32_t first_row, int32_t end_row,
                                void *scratch) {
  static const struct kernels kernels = {
      {lay_columns_2, lay_columns_3}, {bytes_floor_2, bytes_floor_3}, 0};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}

void conv_2d_halves_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                 struct output_rows output, int32_t first_row, int32_t end_row,
                                 void *scratch) {
  static const struct kernels kernels = {{lay_columns_2, NULL}, {halves_floor_2, NULL}, 0};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}

void conv_2d_sliding_floor_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                  struct output_rows output, int32_t first_row, int32_t end_row,
                                  void *scratch) {
  static const struct kernels kernels = {
      {lay_sliding_2, lay_sliding_3}, {sliding_floor_2, sliding_floor_3}, 2};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}

void conv_2d_bytes_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                  struct output_rows output, int32_t first_row, int32_t end_row,
                                  void *scratch) {
  static const struct kernels kernels = {
      {lay_columns_2, lay_columns_3}, {bytes_nearest_2, bytes_nearest_3}, 0};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}

void conv_2d_halves_nearest_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input,
                                   struct output_rows output, int32_t first_row, int32_t end_row,
                                   void *scratch) {
  static const struct kernels kernels = {{lay_columns_2, NULL}, {halves_nearest_2, NULL}, 0};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}

void conv_2d_sliding_nearest_dsp_s8(const struct conv_2d_dsp_params *params,
                                    struct input_rows input, struct output_rows output,
                                    int32_t first_row, int32_t end_row, void *scratch) {
  static const struct kernels kernels = {
      {lay_sliding_2, lay_sliding_3}, {sliding_nearest_2, sliding_nearest_3}, 2};
  convolve(params, input, output, first_row, end_row, scratch, &kernels);
}
