// Images at another size: by the nearest neighbour, or bilinear.
#ifndef ESPALIER_KERNELS_RESIZE_2D_H_
#define ESPALIER_KERNELS_RESIZE_2D_H_

#include <stdint.h>

#include "rows.h"

struct resize_nearest_neighbor_params {
  const uint16_t *row;     // [output_h], the input row of each output row
  const uint16_t *column;  // [output_w]
  uint16_t input_w, output_w;
  uint16_t channels;
};

// Where output position i lies in the input, in 1/1024: i * scale + offset.
struct resize_axis {
  int32_t scale;
  int32_t offset;
  int32_t last;  // position of the input
};

struct resize_bilinear_params {
  struct resize_axis y, x;
  uint16_t input_w, output_w;
  uint16_t channels;
};

// Compute rows first_row to end_row - 1 of the output.
//   input [1, any, input_w, channels] NHWC, of which the rows that these need are there
//   output [1, any, output_w, channels] NHWC, must not alias the rows that are read
// Input and output share scale and zero point. The nearest neighbour takes 8-bit values of any
// signedness. The same as TFLite's reference (internal/reference/resize_nearest_neighbor.h, and
// ResizeBilinearInteger of internal/reference/resize_bilinear.h).
void resize_nearest_neighbor_8(const struct resize_nearest_neighbor_params *params,
                               struct input_rows input, struct output_rows output,
                               int32_t first_row, int32_t end_row);
void resize_bilinear_s8(const struct resize_bilinear_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row);

#endif  // ESPALIER_KERNELS_RESIZE_2D_H_
