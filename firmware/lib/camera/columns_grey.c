#include "columns.h"

static inline uint32_t read_grey(const uint8_t *row, uint32_t position) { return row[position]; }

void frame_columns_grey(const struct frame_params *params, const uint8_t *row, uint8_t *line) {
  resample_values(params, row, line, read_grey);
}
