#include "conv_2d_dsp_s8.h"

#include <string.h>

#include "channel_pairs.h"
#include "columns.h"

// What to do with groups of two and of three pixels; NULL where it is not done with three.
struct kernels {
  void (*lay[2])(uint32_t *columns, struct column_runs *runs);
  void (*multiply[2])(const struct channel_pairs *pairs, int8_t *output);
  finish_pair *finish[2];
  int32_t more;  // pixels of the input that are laid for a group, beyond one for each of its pixels
};

// A call, and how far it is.
struct work {
  const struct conv_2d_dsp_params *params;
  const struct kernels *kernels;
  struct input_rows input;
  int32_t y, x;        // of the input, where the next pixel's window begins
  int inside;          // whether all rows of these windows are
  const int8_t *from;  // the next pixel of the input, where it is all of a window; else NULL
  int8_t *output;
  struct channel_pairs pairs;
  struct column_runs runs;
  uint32_t *columns;
  int32_t *offsets;  // of the windows' runs in the input, then of those in the patch
  int8_t *patch;     // copy of the part of the input below a group's windows, with padding
  int32_t patch_w;
};

// Fills the patch below windows that span `span` columns.
static void fill_patch(const struct work *work, int32_t span) {
  const struct conv_2d_dsp_params *p = work->params;
  int32_t channels = p->input_c;
  int32_t x = work->x;
  int32_t y = work->y;
  int32_t before = x < 0 ? -x : 0;
  int32_t end = p->input_w - x < span ? p->input_w - x : span;
  int32_t row_bytes = work->patch_w * channels;
  int8_t *row = work->patch;
  memset(row, p->input_zero_point, (size_t)(p->rows * row_bytes));
  for (int32_t i = 0; i < p->rows; ++i, y += p->row_step, row += row_bytes) {
    if (y >= 0 && y < p->input_h && end > before) {
      const int8_t *from = input_row(work->input, y, p->input_w * channels);
      memcpy(row + before * channels, from + (x + before) * channels,
             (size_t)((end - before) * channels));
    }
  }
}

// Fills in where runs begin, of rows `row_bytes` apart in a ring of `ring_bytes`.
static void list_runs(const struct conv_2d_dsp_params *p, int32_t *offsets, int32_t first,
                      int32_t row_bytes, int32_t ring_bytes) {
  for (int32_t row = 0; row < p->rows; ++row) {
    for (int32_t run = 0; run < p->runs; ++run) {
      *offsets++ = first + run * p->run_step;
    }
    first = next_row(first, row_bytes, ring_bytes);
  }
}

// Computes groups of `size` pixels, their windows `step` columns of the input apart.
static void convolve_groups(struct work *work, int32_t size, int32_t groups, int32_t step) {
  const struct conv_2d_dsp_params *p = work->params;
  const struct kernels *kernels = work->kernels;
  int32_t channels = p->input_c;
  int32_t runs = p->rows * p->runs;
  int32_t advance = size * step;
  int32_t span = advance - step + p->reach_w;
  int32_t lanes = size + kernels->more;
  work->runs.stride = step * channels;
  work->runs.rest_bytes = runs * p->run_blocks * lanes * 8;
  work->runs.group_bytes = p->blocks * lanes * 8;
  work->pairs.finish = kernels->finish[size - 2];
  while (groups > 0) {
    int32_t now = groups < p->groups ? groups : p->groups;
    int32_t beyond = p->input_w - span - work->x;
    work->runs.offsets = work->offsets;
    if (work->from) {
      work->runs.from = work->from;
      work->from += now * advance * channels;
    } else if (work->inside && work->x >= 0 && beyond >= 0) {
      work->runs.from = work->input.data + work->x * channels;
      // Not those that reach over the right edge.
      now = now * advance > beyond + advance ? beyond / advance + 1 : now;
    } else {
      fill_patch(work, span);
      work->runs.from = work->patch;
      work->runs.offsets += runs;
      now = 1;
    }
    work->runs.groups = now;
    work->pairs.groups = now;
    kernels->lay[size - 2](work->columns, &work->runs);
    kernels->multiply[size - 2](&work->pairs, work->output);
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
    int32_t groups = pixels == 1 ? 0 : (pixels % 3 == 1 ? pixels - 4 : pixels) / 3;
    convolve_groups(work, 3, groups, step);
    pixels -= 3 * groups;
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
  int32_t output_bytes = p->output_w * p->output_c;
  int32_t runs = p->rows * p->runs;
  int32_t pixels = kernels->lay[1] ? 3 : 2;
  struct work work;
  work.params = p;
  work.kernels = kernels;
  work.input = input;
  work.from = NULL;
  work.offsets = scratch;
  work.columns = (uint32_t *)(work.offsets + 2 * runs);
  work.patch = (int8_t *)(work.columns + 2 * p->blocks * (pixels + kernels->more) * p->groups);
  work.patch_w = (pixels - 1) * p->stride_w + p->reach_w;
  work.pairs.columns = work.columns;
  work.pairs.stream = p->stream;
  work.pairs.blocks = p->blocks;
  work.pairs.channels = p->output_c;
  work.pairs.odd = p->output_c % 2;
  work.runs.count = runs;
  work.runs.words = p->run_blocks;
  work.runs.back = p->back;
  work.runs.singles = p->singles;
  int pointwise = p->reach_h * p->reach_w == 1;
  int whole = pointwise && p->stride_h * p->stride_w == 1;
  if (pointwise) {
    work.offsets[0] = 0;
  } else {
    int32_t patch_bytes = work.patch_w * p->input_c;
    list_runs(p, work.offsets + runs, 0, patch_bytes, p->rows * patch_bytes + 1);
  }
  for (int32_t y = first_row, rows = 1; y < end_row; y += rows) {
    work.y = y * p->stride_h - p->pad_top;
    work.x = -p->pad_left;
    work.inside = work.y >= 0 && work.y + p->reach_h <= p->input_h;
    if (pointwise) {
      work.from = input_row(input, work.y, row_bytes);
    } else if (work.inside) {
      list_runs(p, work.offsets, work.y % input.ring * row_bytes, p->row_step * row_bytes,
                input.ring * row_bytes);
    }
    if (whole) {
      // Until a ring turns, all pixels follow each other.
      rows = least(end_row - y, least(input.ring - y % input.ring, output.ring - y % output.ring));
    }
    int8_t *to = output_row(output, y, output_bytes);
    work.output = to;
    convolve_pixels(&work, rows * p->output_w);
    if (p->output_min > -128 || p->output_max < 127) {
      clamp(p, to, rows * output_bytes);
    }
  }
}

#define CONV_2D(name, ...)                                                                       \
  void conv_2d_##name##_dsp_s8(const struct conv_2d_dsp_params *params, struct input_rows input, \
                               struct output_rows output, int32_t first_row, int32_t end_row,    \
                               void *scratch) {                                                  \
    static const struct kernels kernels = {__VA_ARGS__};                                         \
    convolve(params, input, output, first_row, end_row, scratch, &kernels);                      \
  }

CONV_2D(bytes_floor, {lay_columns_2, lay_columns_3}, {bytes_2, bytes_3}, {floor_2, floor_3}, 0)
CONV_2D(bytes_nearest, {lay_columns_2, lay_columns_3}, {bytes_2, bytes_3}, {nearest_2, nearest_3},
        0)
CONV_2D(sliding_floor, {lay_sliding_2, lay_sliding_3}, {sliding_2, sliding_3}, {floor_2, floor_3},
        2)
CONV_2D(sliding_nearest, {lay_sliding_2, lay_sliding_3}, {sliding_2, sliding_3},
        {nearest_2, nearest_3}, 2)
CONV_2D(nibbles_floor, {lay_columns_2, lay_columns_3}, {nibbles_2, nibbles_3}, {floor_2, floor_3},
        0)
CONV_2D(nibbles_nearest, {lay_columns_2, lay_columns_3}, {nibbles_2, nibbles_3},
        {nearest_2, nearest_3}, 0)
CONV_2D(halves_floor, {lay_columns_2, NULL}, {halves_floor_2, NULL}, {NULL, NULL}, 0)
CONV_2D(halves_nearest, {lay_columns_2, NULL}, {halves_nearest_2, NULL}, {NULL, NULL}, 0)
CONV_2D(3x3x3_floor, {lay_3x3x3_2, NULL}, {halves_floor_2, NULL}, {NULL, NULL}, 0)
