// Two operands of an elementwise kernel whose shapes broadcast to the output's.
#ifndef ESPALIER_KERNELS_BROADCAST_H_
#define ESPALIER_KERNELS_BROADCAST_H_

#include <stdint.h>

#include "rows.h"

struct broadcast_operand {
  // From one index to the next along each axis, 0 where the operand is broadcast: rows along the
  // first two axes, elements along the others.
  int32_t stride[4];
  int32_t row_bytes;
};

struct broadcast {
  struct broadcast_operand a, b;
  int32_t shape[4];  // of the output: batches, rows, columns, channels
};

static inline const int8_t *broadcast_row(const struct broadcast_operand *operand,
                                          struct input_rows rows, int32_t batch, int32_t y) {
  return input_row(rows, batch * operand->stride[0] + y * operand->stride[1], operand->row_bytes);
}

// Computes rows first_row to end_row - 1 of the output, the rows of all batches in one sequence,
// by `apply` to each pair of elements. Inlined: to be called once in a file, so that `apply` is no
// call.
static inline void broadcast_rows(const struct broadcast *broadcast, struct input_rows a,
                                  struct input_rows b, struct output_rows output, int32_t first_row,
                                  int32_t end_row,
                                  int8_t (*apply)(const void *params, int8_t x, int8_t y),
                                  const void *params) {
  int32_t height = broadcast->shape[1];
  int32_t columns = broadcast->shape[2];
  int32_t channels = broadcast->shape[3];
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *a_row = broadcast_row(&broadcast->a, a, row / height, row % height);
    const int8_t *b_row = broadcast_row(&broadcast->b, b, row / height, row % height);
    int8_t *z = output_row(output, row, columns * channels);
    for (int32_t column = 0; column < columns; ++column) {
      const int8_t *x = a_row + column * broadcast->a.stride[2];
      const int8_t *y = b_row + column * broadcast->b.stride[2];
      for (int32_t channel = 0; channel < channels; ++channel) {
        *z++ = apply(params, *x, *y);
        x += broadcast->a.stride[3];
        y += broadcast->b.stride[3];
      }
    }
  }
}

#endif  // ESPALIER_KERNELS_BROADCAST_H_
