#include <string.h>

#include "resize_2d.h"

void resize_nearest_neighbor_8(const struct resize_nearest_neighbor_params *params,
                               struct input_rows input, struct output_rows output,
                               int32_t first_row, int32_t end_row) {
  int32_t channels = params->channels;
  for (int32_t row = first_row; row < end_row; ++row) {
    const int8_t *x = input_row(input, params->row[row], params->input_w * channels);
    int8_t *y = output_row(output, row, params->output_w * channels);
    for (int32_t column = 0; column < params->output_w; ++column) {
      memcpy(y, x + params->column[column] * channels, (size_t)channels);
      y += channels;
    }
  }
}
