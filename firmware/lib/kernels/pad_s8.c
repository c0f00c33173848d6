#include "pad_s8.h"

#include <string.h>

static int8_t *fill(int8_t *output, int8_t value, int32_t count) {
  memset(output, value, (size_t)count);
  return output + count;
}

static void pad_row(const struct pad_params *p, const int8_t *input, int8_t *output) {
  int32_t channels = p->input_shape[3];
  int32_t pixel = p->before[3] + channels + p->after[3];
  output = fill(output, p->value, p->before[2] * pixel);
  for (int32_t column = 0; column < p->input_shape[2]; ++column) {
    output = fill(output, p->value, p->before[3]);
    memcpy(output, input, (size_t)channels);
    output = fill(output + channels, p->value, p->after[3]);
    input += channels;
  }
  fill(output, p->value, p->after[2] * pixel);
}

void pad_s8(const struct pad_params *params, struct input_rows input, struct output_rows output,
            int32_t first_row, int32_t end_row) {
  const uint16_t *shape = params->input_shape;
  const uint16_t *before = params->before;
  const uint16_t *after = params->after;
  int32_t input_bytes = shape[2] * shape[3];
  int32_t output_bytes = (before[2] + shape[2] + after[2]) * (before[3] + shape[3] + after[3]);
  int32_t height = before[1] + shape[1] + after[1];
  for (int32_t row = first_row; row < end_row; ++row) {
    int8_t *result = output_row(output, row, output_bytes);
    int32_t batch = row / height - before[0];
    int32_t y = row % height - before[1];
    if (batch < 0 || batch >= shape[0] || y < 0 || y >= shape[1]) {
      fill(result, params->value, output_bytes);
    } else {
      pad_row(params, input_row(input, batch * shape[1] + y, input_bytes), result);
    }
  }
}
