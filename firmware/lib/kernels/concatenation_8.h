// Several tensors one after the other along one axis.
#ifndef ESPALIER_KERNELS_CONCATENATION_8_H_
#define ESPALIER_KERNELS_CONCATENATION_8_H_

#include <stdint.h>

#include "rows.h"

struct concatenation_params {
  const int32_t *chunk;  // [num_inputs], bytes that each input gives at a time
  int32_t num_inputs;
  int32_t runs;  // through all inputs in a row: what lies before the axis
  int32_t output_row_bytes;
};

// Copies rows first_row to end_row - 1 of each input into those of the output: 8-bit values.
//   inputs [num_inputs], each with rows of runs * chunk bytes
//   output: must not alias the rows that are read
void concatenation_8(const struct concatenation_params *params, const struct input_rows *inputs,
                     struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_CONCATENATION_8_H_
