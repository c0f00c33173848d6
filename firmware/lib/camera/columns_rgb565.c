#include "columns.h"

// 5 and 6 bits become 8 by repeating the highest ones: black stays 0, white becomes 255.
static inline struct frame_pixel unpack(uint32_t bits) {
  uint32_t red = bits >> 11, green = bits >> 5 & 63, blue = bits & 31;
  struct frame_pixel pixel = {red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2};
  return pixel;
}

static inline struct frame_pixel read_high_first(const uint8_t *row, uint32_t position) {
  return unpack((uint32_t)row[2 * position] << 8 | row[2 * position + 1]);
}

static inline struct frame_pixel read_low_first(const uint8_t *row, uint32_t position) {
  return unpack((uint32_t)row[2 * position + 1] << 8 | row[2 * position]);
}

static inline uint32_t luma_high_first(const uint8_t *row, uint32_t position) {
  return luma(read_high_first(row, position));
}

static inline uint32_t luma_low_first(const uint8_t *row, uint32_t position) {
  return luma(read_low_first(row, position));
}

void frame_columns_rgb565_rgb(const struct frame_params *params, const uint8_t *row,
                              uint8_t *line) {
  resample_rgb(params, row, line, read_high_first);
}

void frame_columns_rgb565_luma(const struct frame_params *params, const uint8_t *row,
                               uint8_t *line) {
  resample_values(params, row, line, luma_high_first);
}

void frame_columns_rgb565le_rgb(const struct frame_params *params, const uint8_t *row,
                                uint8_t *line) {
  resample_rgb(params, row, line, read_low_first);
}

void frame_columns_rgb565le_luma(const struct frame_params *params, const uint8_t *row,
                                 uint8_t *line) {
  resample_values(params, row, line, luma_low_first);
}
