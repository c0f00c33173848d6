#include "real_values.h"
#include "requantize.h"

// Rounds half away from zero, as C's roundf does, and saturates far beyond 8 bits.
static inline int32_t round_half_away(float x) {
  const int32_t far = 1 << 16;
  if (!(x > (float)-far)) {
    return -far;
  }
  if (x > (float)far) {
    return far;
  }
  int32_t truncated = (int32_t)x;
  float rest = x - (float)truncated;
  return truncated + (rest >= 0.5f) - (rest <= -0.5f);
}

void quantize_f32(const struct real_values_params *params, const void *real, void *quantized) {
  const float *x = real;
  uint8_t *y = quantized;
  for (uint32_t i = 0; i < params->size; ++i) {
    int32_t value = round_half_away(x[i] / params->scale) + params->zero_point;
    y[i] = (uint8_t)clamp(value, INT8_MIN, INT8_MAX) ^ params->flip;
  }
}
