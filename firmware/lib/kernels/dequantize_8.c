#include "real_values.h"

void dequantize_8(const struct real_values_params *params, const void *quantized, void *real) {
  const uint8_t *x = quantized;
  float *y = real;
  for (uint32_t i = 0; i < params->size; ++i) {
    int32_t value = (int8_t)(x[i] ^ params->flip);
    y[i] = params->scale * (float)(value - params->zero_point);
  }
}
