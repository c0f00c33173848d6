// Elementwise function of 8-bit values by table.
#ifndef ESPALIER_KERNELS_LOOKUP_8_H_
#define ESPALIER_KERNELS_LOOKUP_8_H_

#include <stdint.h>

#include "rows.h"

struct lookup_params {
  const uint8_t *table;  // [256], indexed by the input's bits
  int32_t row_bytes;     // elements in a row
};

// Looks up rows first_row to end_row - 1: 8-bit values of any signedness; output may be input.
void lookup_8(const struct lookup_params *params, struct input_rows input,
              struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_LOOKUP_8_H_
