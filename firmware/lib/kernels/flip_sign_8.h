// Conversion between uint8 and int8 with zero points that lie 128 apart, at the same scale.
#ifndef ESPALIER_KERNELS_FLIP_SIGN_8_H_
#define ESPALIER_KERNELS_FLIP_SIGN_8_H_

#include <stdint.h>

#include "rows.h"

struct flip_sign_params {
  int32_t row_bytes;  // elements in a row
};

// Flips the highest bit of each byte of rows first_row to end_row - 1; output may be input.
void flip_sign_8(const struct flip_sign_params *params, struct input_rows input,
                 struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_FLIP_SIGN_8_H_
