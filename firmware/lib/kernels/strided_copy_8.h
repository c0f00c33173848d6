// Elements of a tensor in another order, or some of them: slices, splits, transpositions.
#ifndef ESPALIER_KERNELS_STRIDED_COPY_8_H_
#define ESPALIER_KERNELS_STRIDED_COPY_8_H_

#include <stdint.h>

#include "rows.h"

struct strided_copy_params {
  int32_t first_row, row_stride;  // output row y is made from input row first_row + y * row_stride
  int32_t input_row_bytes, output_row_bytes;
  int32_t offset;     // from the start of the input row to the first element
  int32_t shape[4];   // of an output row
  int32_t stride[4];  // between elements of the input row along each axis of `shape`, any sign
};

// Copies rows first_row to end_row - 1 of the output: 8-bit values of any signedness.
//   output: must not alias the rows that are read
void strided_copy_8(const struct strided_copy_params *params, struct input_rows input,
                    struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_STRIDED_COPY_8_H_
