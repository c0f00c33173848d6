#include "concatenation_8.h"

#include <string.h>

void concatenation_8(const struct concatenation_params *params, const struct input_rows *inputs,
                     struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t step = params->output_row_bytes / params->runs;
  for (int32_t row = first_row; row < end_row; ++row) {
    int8_t *first = output_row(output, row, params->output_row_bytes);
    for (int32_t i = 0; i < params->num_inputs; ++i) {
      int32_t chunk = params->chunk[i];
      const int8_t *x = input_row(inputs[i], row, params->runs * chunk);
      int8_t *y = first;
      for (int32_t run = 0; run < params->runs; ++run) {
        memcpy(y, x, (size_t)chunk);
        x += chunk;
        y += step;
      }
      first += chunk;
    }
  }
}
