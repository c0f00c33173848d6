// Takes frames as its standard input describes them, in buffers that end where they must: for each
// one the numbers of frame_params and the sizes of the tables, the tables, the function's number
// and the rows, one after the other. Writes the model's inputs.
#include <stdio.h>
#include <stdlib.h>

#include "frame.h"

static frame_columns *const kFunctions[] = {
    frame_columns_rgb565_rgb,    frame_columns_rgb565_luma, frame_columns_rgb565le_rgb,
    frame_columns_rgb565le_luma, frame_columns_rgb888_rgb,  frame_columns_rgb888_luma,
    frame_columns_grey,
};

static uint32_t number(void) {
  uint32_t value = 0;
  if (fread(&value, sizeof value, 1, stdin) != 1) {
    exit(0);
  }
  return value;
}

static void *bytes(size_t size) {
  void *data = malloc(size);
  if (data == NULL || fread(data, 1, size, stdin) != size) {
    exit(1);
  }
  return data;
}

static void take_frame(uint32_t height) {
  struct frame_params params = {.height = (uint16_t)height};
  params.num_columns = (uint16_t)number();
  params.num_rows = (uint16_t)number();
  params.line_rows = (uint16_t)number();
  params.planes = (uint8_t)number();
  params.copies = (uint8_t)number();
  params.flip = (uint8_t)number();
  params.offset_bytes = number();
  params.row_bytes = number();
  params.input_bytes = number();
  params.resample_columns = kFunctions[number()];
  size_t num_weights = number(), frame_row_bytes = number(), extra_rows = number();
  struct frame_taps *columns = bytes(params.num_columns * sizeof *columns);
  struct frame_taps *rows = bytes(params.num_rows * sizeof *rows);
  uint32_t *weights = bytes(num_weights * sizeof *weights);
  params.columns = columns;
  params.rows = rows;
  params.weights = weights;
  size_t line_bytes = (size_t)params.num_columns * params.planes;
  struct frame_state state = {.input = malloc(params.input_bytes),
                              .lines = malloc(line_bytes * params.line_rows)};
  frame_begin(&params, &state);
  for (size_t y = 0; y < height + extra_rows; ++y) {
    uint8_t *row = bytes(frame_row_bytes);
    frame_row(&params, &state, row);
    free(row);
  }
  fwrite(state.input, 1, params.input_bytes, stdout);
  free(state.input);
  free(state.lines);
  free(columns);
  free(rows);
  free(weights);
}

int main(void) {
  for (;;) {
    take_frame(number());
  }
}
