#include "columns.h"

static inline struct frame_pixel read_rgb(const uint8_t *row, uint32_t position) {
  struct frame_pixel pixel = {row[3 * position], row[3 * position + 1], row[3 * position + 2]};
  return pixel;
}

static inline uint32_t luma_rgb(const uint8_t *row, uint32_t position) {
  return luma(read_rgb(row, position));
}

void frame_columns_rgb888_rgb(const struct frame_params *params, const uint8_t *row,
                              uint8_t *line) {
  resample_rgb(params, row, line, read_rgb);
}

void frame_columns_rgb888_luma(const struct frame_params *params, const uint8_t *row,
                               uint8_t *line) {
  resample_values(params, row, line, luma_rgb);
}
