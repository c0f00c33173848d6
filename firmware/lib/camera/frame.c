#include "frame.h"

#include <string.h>

#include "weighted_sum.h"

// What training puts where a picture leaves the input free.
enum { GREY = 128 };

void frame_begin(const struct frame_params *params, struct frame_state *state) {
  uint32_t picture_bytes =
      (uint32_t)params->num_columns * params->num_rows * params->planes * params->copies;
  if (picture_bytes != params->input_bytes) {
    memset(state->input, GREY ^ params->flip, params->input_bytes);
  }
  state->row = 0;
  state->input_row = 0;
}

// The resampled rows that one row of the picture is made of: some of a ring of lines.
struct lines {
  const uint8_t *ring;
  uint32_t line_bytes, ring_bytes;
  uint32_t first;  // where in the ring the first one begins
  const uint32_t *weights;
  uint32_t count;
};

static inline uint32_t next_line(const struct lines *lines, uint32_t place) {
  place += lines->line_bytes;
  return place < lines->ring_bytes ? place : place - lines->ring_bytes;
}

static inline uint8_t *put(uint8_t *output, uint32_t sum, uint32_t flip, uint32_t copies) {
  uint8_t value = (uint8_t)(weighted_byte(sum) ^ flip);
  *output++ = value;
  if (copies == 3) {
    *output++ = value;
    *output++ = value;
  }
  return output;
}

static void sum_lines(struct lines lines, uint32_t flip, uint32_t copies, uint8_t *output) {
  uint32_t at = 0;
  // Four columns at a time: each weight is loaded once for all of them.
  for (; at + 4 <= lines.line_bytes; at += 4) {
    uint32_t a = WEIGHTED_HALF, b = WEIGHTED_HALF, c = WEIGHTED_HALF, d = WEIGHTED_HALF;
    uint32_t place = lines.first + at;
    for (uint32_t i = 0; i < lines.count; ++i) {
      uint32_t weight = lines.weights[i];
      const uint8_t *line = lines.ring + place;
      a += weight * line[0];
      b += weight * line[1];
      c += weight * line[2];
      d += weight * line[3];
      place = next_line(&lines, place);
    }
    output = put(output, a, flip, copies);
    output = put(output, b, flip, copies);
    output = put(output, c, flip, copies);
    output = put(output, d, flip, copies);
  }
  for (; at < lines.line_bytes; ++at) {
    uint32_t sum = WEIGHTED_HALF;
    uint32_t place = lines.first + at;
    for (uint32_t i = 0; i < lines.count; ++i) {
      sum += lines.weights[i] * lines.ring[place];
      place = next_line(&lines, place);
    }
    output = put(output, sum, flip, copies);
  }
}

// Writes one row of the picture into the input.
static void write_row(const struct frame_params *params, const struct frame_state *state,
                      uint32_t index) {
  const struct frame_taps *taps = &params->rows[index];
  const uint32_t *weights = &params->weights[taps->weights];
  uint32_t line_bytes = (uint32_t)params->num_columns * params->planes;
  struct lines lines = {
      .ring = state->lines,
      .line_bytes = line_bytes,
      .ring_bytes = line_bytes * params->line_rows,
      .first = taps->first % params->line_rows * line_bytes,
      .weights = weights + 1,
      .count = *weights,
  };
  sum_lines(lines, params->flip, params->copies,
            state->input + params->offset_bytes + index * params->row_bytes);
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
