// Sums of four channels at once over some rows of an image.
#ifndef ESPALIER_KERNELS_DSP_SUM_ROWS_4_H_
#define ESPALIER_KERNELS_DSP_SUM_ROWS_4_H_

#include "../rows.h"
#include "sum_4.h"

// Rows first_row to end_row - 1 of an image [1, height, columns, channels].
struct image_rows {
  struct input_rows input;
  int32_t columns, channels;
  int32_t first_row, end_row;
};

// Adds channels `channel` to `channel` + 3; the image has at most SUM_4_CAPACITY pixels.
static inline struct sum_4 sum_rows_4(const struct image_rows *rows, int32_t channel,
                                      struct sum_4 sum) {
  int32_t row_bytes = rows->columns * rows->channels;
  for (int32_t row = rows->first_row; row < rows->end_row; ++row) {
    const int8_t *x = input_row(rows->input, row, row_bytes) + channel;
    sum = sum_4_add(sum, x, rows->channels, rows->columns);
  }
  return sum;
}

#endif  // ESPALIER_KERNELS_DSP_SUM_ROWS_4_H_
