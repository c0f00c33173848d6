// Sum of one channel over some rows of an image.
#ifndef ESPALIER_KERNELS_SUM_ROWS_H_
#define ESPALIER_KERNELS_SUM_ROWS_H_

#include "rows.h"

static inline int32_t sum_rows(struct input_rows input, int32_t columns, int32_t channels,
                               int32_t channel, int32_t first_row, int32_t end_row) {
  int32_t sum = 0;
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(input, row, columns * channels) + channel;
    for (int32_t column = 0; column < columns; ++column) {
      sum += *x;
      x += channels;
    }
  }
  return sum;
}

#endif  // ESPALIER_KERNELS_SUM_ROWS_H_
