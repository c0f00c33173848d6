#include "frame.h"

#include <string.h>

#include "weighted_sum.h"

// What training puts where a picture leaves the input free.
enum { GREY = 128 };
// Columns that are summed up together: a weight is loaded once for all of them.
enum { BLOCK = 4 };

void frame_begin(const struct frame_params *params, struct frame_state *state) {
  uint32_t picture_bytes =
      (uint32_t)params->num_columns * params->num_rows * params->planes * params->copies;
  if (picture_bytes != params->input_bytes) {
    memset(state->input, GREY ^ params->flip, params->input_bytes);
  }
  state->row = 0;
  state->input_row = 0;
}

static void put(const struct frame_params *params, uint8_t **output, uint32_t sum) {
  uint8_t value = (uint8_t)(weighted_byte(sum) ^ params->flip);
  for (uint32_t copy = 0; copy < params->copies; ++copy) {
    *(*output)++ = value;
  }
}

// Adds `count` lines, each times its weight, to the sums of `width` columns.
static inline void add_lines(uint32_t *sums, uint32_t width, const uint8_t *line,
                             uint32_t line_bytes, const uint32_t *weights, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    for (uint32_t column = 0; column < width; ++column) {
      sums[column] += weights[i] * line[column];
    }
    line += line_bytes;
  }
}

// One row of the picture in the input.
static void write_row(const struct frame_params *params, const struct frame_state *state,
                      uint32_t index) {
  const struct frame_taps *taps = &params->rows[index];
  const uint32_t *weights = &params->weights[taps->weights];
  uint32_t count = *weights++;
  uint32_t line_bytes = (uint32_t)params->num_columns * params->planes;
  uint8_t *output = state->input + params->offset_bytes + index * params->row_bytes;
  // The lines are a ring: the first ones lie before its end, the others from its start on.
  uint32_t slot = taps->first % params->line_rows;
  uint32_t before = params->line_rows - slot;
  before = before < count ? before : count;
  const uint8_t *first = state->lines + slot * line_bytes;
  uint32_t at = 0;
  for (; at + BLOCK <= line_bytes; at += BLOCK) {
    uint32_t sums[BLOCK] = {WEIGHTED_HALF, WEIGHTED_HALF, WEIGHTED_HALF, WEIGHTED_HALF};
    add_lines(sums, BLOCK, first + at, line_bytes, weights, before);
    add_lines(sums, BLOCK, state->lines + at, line_bytes, weights + before, count - before);
    for (uint32_t column = 0; column < BLOCK; ++column) {
      put(params, &output, sums[column]);
    }
  }
  for (; at < line_bytes; ++at) {
    uint32_t sum = WEIGHTED_HALF;
    add_lines(&sum, 1, first + at, line_bytes, weights, before);
    add_lines(&sum, 1, state->lines + at, line_bytes, weights + before, count - before);
    put(params, &output, sum);
  }
}

void frame_row(const struct frame_params *params, struct frame_state *state, const uint8_t *row) {
  uint32_t position = state->row;
  if (position == params->height) {
    return;
  }
  ++state->row;
  // Sources of one row of the picture lie no higher than those of the row before it.
  if (state->input_row == params->num_rows || position < params->rows[state->input_row].first) {
    return;
  }
  uint32_t line_bytes = (uint32_t)params->num_columns * params->planes;
  params->resample_columns(params, row, state->lines + position % params->line_rows * line_bytes);
  while (state->input_row < params->num_rows) {
    const struct frame_taps *taps = &params->rows[state->input_row];
    if (position + 1 < taps->first + params->weights[taps->weights]) {
      return;
    }
    write_row(params, state, state->input_row);
    ++state->input_row;
  }
}
