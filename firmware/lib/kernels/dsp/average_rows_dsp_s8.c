#include "average_rows_dsp_s8.h"

#include "../requantize.h"
#include "sum_rows_4.h"

static inline int8_t average(const struct average_rows_params *p, int32_t sum) {
  int32_t count = p->input_h * p->input_w;
  int32_t half = sum > 0 ? count / 2 : -(count / 2);
  return (int8_t)clamp((sum + half) / count, p->output_min, p->output_max);
}

void average_rows_dsp_s8(const struct average_rows_params *params, struct input_rows input,
                         struct output_rows output, int32_t first_row, int32_t end_row,
                         void *sums) {
  struct image_rows rows = {input, params->input_w, params->channels, first_row, end_row};
  struct sum_4 *kept = sums;
  for (int32_t channel = 0; channel < rows.channels; channel += 4, ++kept) {
    // Of the last four, some may have been done: they have sums of their own.
    int32_t first = channel + 4 <= rows.channels ? channel : rows.channels - 4;
    struct sum_4 sum = {0, 0};
    if (first_row > 0) {
      sum = *kept;
    }
    sum = sum_rows_4(&rows, first, sum);
    if (end_row < params->input_h) {
      *kept = sum;
      continue;
    }
    int8_t *result = output.data + first;
    result[0] = average(params, simd_bottom(sum.even));
    result[1] = average(params, simd_bottom(sum.odd));
    result[2] = average(params, simd_top(sum.even));
    result[3] = average(params, simd_top(sum.odd));
  }
}
