// Images as rings of rows: how kernels that compute an image row by row find its rows.
//
// Row y of a tensor [1, height, width, channels] lies at data + (y % ring) * row_bytes. A whole
// tensor is a ring of `height` rows; a smaller ring holds only the rows that are still to be
// read. Rows follow each other in memory, except that after the last row of the ring comes its
// first.
#ifndef ESPALIER_KERNELS_ROWS_H_
#define ESPALIER_KERNELS_ROWS_H_

#include <stdint.h>

struct input_rows {
  const int8_t *data;
  int32_t ring;  // rows, at least as many as one call reads
};

struct output_rows {
  int8_t *data;
  int32_t ring;  // rows, at least as many as one call writes
};

static inline const int8_t *input_row(struct input_rows rows, int32_t y, int32_t row_bytes) {
  return rows.data + (y % rows.ring) * row_bytes;
}

static inline int8_t *output_row(struct output_rows rows, int32_t y, int32_t row_bytes) {
  return rows.data + (y % rows.ring) * row_bytes;
}

// Bytes from the ring's start to a row that lies `step` bytes behind the row at `offset`.
//   step <= ring_bytes, unless no row is read there
static inline int32_t next_row(int32_t offset, int32_t step, int32_t ring_bytes) {
  offset += step;
  return offset < ring_bytes ? offset : offset - ring_bytes;
}

#endif  // ESPALIER_KERNELS_ROWS_H_
