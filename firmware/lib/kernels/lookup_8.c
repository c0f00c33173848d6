#include "lookup_8.h"

void lookup_8(const struct lookup_params *params, struct input_rows input,
              struct output_rows output, int32_t first_row, int32_t end_row) {
  // As far as a compiler knows, stores could change the parameters.
  const uint8_t *table = params->table;
  for (int32_t row = first_row; row < end_row; ++row) {
    const uint8_t *x = (const uint8_t *)input_row(input, row, params->row_bytes);
    uint8_t *y = (uint8_t *)output_row(output, row, params->row_bytes);
    for (const uint8_t *end = x + params->row_bytes; x < end; ++x) {
      *y++ = table[*x];
    }
  }
}
