#include "mean_rows_s8.h"

#include "requantize.h"
#include "sum_rows.h"

void mean_rows_s8(const struct mean_rows_params *params, struct input_rows input,
                  struct output_rows output, int32_t first_row, int32_t end_row, void *sums) {
  int32_t *kept = sums;
  for (int32_t channel = 0; channel < params->channels; ++channel) {
    int32_t sum = first_row == 0 ? params->input_offset_sum : kept[channel];
    sum += sum_rows(input, params->input_w, params->channels, channel, first_row, end_row);
    if (end_row < params->input_h) {
      kept[channel] = sum;
    } else {
      int32_t y = requantize(sum, params->multiplier, params->shift) + params->output_offset;
      output.data[channel] = (int8_t)clamp(y, INT8_MIN, INT8_MAX);
    }
  }
}
