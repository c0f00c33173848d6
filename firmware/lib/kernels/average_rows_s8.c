#include "average_rows_s8.h"

#include "requantize.h"
#include "sum_rows.h"

void average_rows_s8(const struct average_rows_params *params, struct input_rows input,
                     struct output_rows output, int32_t first_row, int32_t end_row, void *sums) {
  int32_t *kept = sums;
  int32_t count = params->input_h * params->input_w;
  for (int32_t channel = 0; channel < params->channels; ++channel) {
    int32_t sum = first_row == 0 ? 0 : kept[channel];
    sum += sum_rows(input, params->input_w, params->channels, channel, first_row, end_row);
    if (end_row < params->input_h) {
      kept[channel] = sum;
    } else {
      int32_t half = sum > 0 ? count / 2 : -(count / 2);
      output.data[channel] =
          (int8_t)clamp((sum + half) / count, params->output_min, params->output_max);
    }
  }
}
