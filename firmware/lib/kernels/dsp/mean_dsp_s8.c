#include "mean_dsp_s8.h"

#include "../requantize.h"
#include "sum_4.h"

static void mean_4(const struct mean_params *p, const int8_t *x, int8_t *output) {
  int32_t step = (int32_t)p->inner;
  int32_t sums[4];
  for (int i = 0; i < 4; ++i) {
    sums[i] = p->input_offset_sum;
  }
  for (int32_t left = (int32_t)p->reduced; left > 0; left -= SUM_4_CAPACITY) {
    struct sum_4 part = {0, 0};
    part = sum_4_add(part, x, step, left < SUM_4_CAPACITY ? left : SUM_4_CAPACITY);
    sums[0] += simd_bottom(part.even);
    sums[1] += simd_bottom(part.odd);
    sums[2] += simd_top(part.even);
    sums[3] += simd_top(part.odd);
    x += step * SUM_4_CAPACITY;
  }
  for (int i = 0; i < 4; ++i) {
    int32_t y = requantize(sums[i], p->multiplier, p->shift) + p->output_offset;
    output[i] = (int8_t)clamp(y, INT8_MIN, INT8_MAX);
  }
}

void mean_dsp_s8(const struct mean_params *params, const int8_t *input, int8_t *output) {
  uint32_t inner = params->inner;
  for (uint32_t outer = 0; outer < params->outer; ++outer) {
    for (uint32_t i = 0; i < inner; i += 4) {
      // Of the last four, some may have been done.
      uint32_t first = i + 4 <= inner ? i : inner - 4;
      mean_4(params, input + first, output + first);
    }
    input += params->reduced * inner;
    output += inner;
  }
}
