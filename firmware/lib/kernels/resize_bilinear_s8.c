#include "resize_2d.h"

enum { ONE = 1 << 10 };

// Two neighbours of a position, and how much the second one counts, of ONE.
struct neighbors {
  int32_t lower, upper;
  int32_t weight;
};

static struct neighbors neighbors_of(const struct resize_axis *axis, int32_t position) {
  int32_t place = position * axis->scale + axis->offset;
  // Divisions, not shifts: before the first position they round up.
  int32_t lower = place / ONE > 0 ? place / ONE : 0;
  int32_t upper = (place + ONE - 1) / ONE;
  struct neighbors result = {lower, upper < axis->last ? upper : axis->last, place - lower * ONE};
  return result;
}

static inline int8_t round_20(int64_t value) {
  int64_t half = INT64_C(1) << 19;
  return (int8_t)((value + (value > 0 ? half : -half)) / (INT64_C(1) << 20));
}

void resize_bilinear_s8(const struct resize_bilinear_params *params, struct input_rows input,
                        struct output_rows output, int32_t first_row, int32_t end_row) {
  int32_t channels = params->channels;
  int32_t input_bytes = params->input_w * channels;
  for (int32_t row = first_row; row < end_row; ++row) {
    struct neighbors y = neighbors_of(&params->y, row);
    const int8_t *upper_row = input_row(input, y.lower, input_bytes);
    const int8_t *lower_row = input_row(input, y.upper, input_bytes);
    int8_t *result = output_row(output, row, params->output_w * channels);
    for (int32_t column = 0; column < params->output_w; ++column) {
      struct neighbors x = neighbors_of(&params->x, column);
      for (int32_t channel = 0; channel < channels; ++channel) {
        int32_t left = x.lower * channels + channel;
        int32_t right = x.upper * channels + channel;
        int32_t above = upper_row[left] * (ONE - x.weight) + upper_row[right] * x.weight;
        int32_t below = lower_row[left] * (ONE - x.weight) + lower_row[right] * x.weight;
        *result++ = round_20((int64_t)above * (ONE - y.weight) + (int64_t)below * y.weight);
      }
    }
  }
}
