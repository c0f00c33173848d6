// Resamples a row of pixels; for the files that say how a pixel is read.
#ifndef ESPALIER_CAMERA_COLUMNS_H_
#define ESPALIER_CAMERA_COLUMNS_H_

#include "frame.h"
#include "weighted_sum.h"

struct frame_pixel {
  uint32_t red, green, blue;  // 0 to 255
};

// Reads the pixel at a position of a row.
typedef struct frame_pixel read_pixel(const uint8_t *row, uint32_t position);

static inline void resample_rgb(const struct frame_params *params, const uint8_t *row,
                                uint8_t *line, read_pixel *read) {
  // Copies: for all that a compiler knows, a store to `line` could change the parameters.
  const uint32_t *table = params->weights;
  const struct frame_taps *end_column = params->columns + params->num_columns;
  for (const struct frame_taps *taps = params->columns; taps < end_column; ++taps) {
    const uint32_t *weights = table + taps->weights;
    const uint32_t *end = weights + 1 + *weights;
    uint32_t red = WEIGHTED_HALF, green = WEIGHTED_HALF, blue = WEIGHTED_HALF;
    uint32_t position = taps->first;
    while (++weights < end) {
      struct frame_pixel pixel = read(row, position++);
      red += *weights * pixel.red;
      green += *weights * pixel.green;
      blue += *weights * pixel.blue;
    }
    *line++ = weighted_byte(red);
    *line++ = weighted_byte(green);
    *line++ = weighted_byte(blue);
  }
}

// Luma by ITU-R 601, in 16 bits and rounded, as Pillow's.
static inline uint32_t luma(struct frame_pixel pixel) {
  return (pixel.red * 19595 + pixel.green * 38470 + pixel.blue * 7471 + 0x8000) >> 16;
}

// Reads the one value that a pixel has, or is made of.
typedef uint32_t read_value(const uint8_t *row, uint32_t position);

static inline void resample_values(const struct frame_params *params, const uint8_t *row,
                                   uint8_t *line, read_value *read) {
  // Copies: for all that a compiler knows, a store to `line` could change the parameters.
  const uint32_t *table = params->weights;
  const struct frame_taps *end_column = params->columns + params->num_columns;
  for (const struct frame_taps *taps = params->columns; taps < end_column; ++taps) {
    const uint32_t *weights = table + taps->weights;
    const uint32_t *end = weights + 1 + *weights;
    uint32_t sum = WEIGHTED_HALF;
    uint32_t position = taps->first;
    while (++weights < end) {
      sum += *weights * read(row, position++);
    }
    *line++ = weighted_byte(sum);
  }
}

#endif  // ESPALIER_CAMERA_COLUMNS_H_
