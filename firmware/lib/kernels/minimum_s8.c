#include "extremes_s8.h"

static inline int8_t minimum(const void *params, int8_t x, int8_t y) {
  (void)params;
  return x < y ? x : y;
}

void minimum_s8(const struct broadcast *params, struct input_rows a, struct input_rows b,
                struct output_rows output, int32_t first_row, int32_t end_row) {
  broadcast_rows(params, a, b, output, first_row, end_row, minimum, params);
}
