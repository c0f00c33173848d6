// From real values to quantized ones and back: inputs and outputs of models that take floats.
#ifndef ESPALIER_KERNELS_REAL_VALUES_H_
#define ESPALIER_KERNELS_REAL_VALUES_H_

#include <stdint.h>

// real = scale * (quantized - zero_point)
struct real_values_params {
  uint32_t size;  // elements
  float scale;
  int32_t zero_point;  // of the int8 values that uint8 ones are with their highest bit flipped
  uint8_t flip;        // 0 where the quantized values are int8, 0x80 where they are uint8
};

//   real [size] float    quantized [size] int8 or uint8
// Bit-exact with TFLite's reference (internal/reference/quantize.h and dequantize.h) for
// |real / scale| < 2^31, beyond which that is undefined; here such values saturate, and what is no
// number becomes the smallest.
void quantize_f32(const struct real_values_params *params, const void *real, void *quantized);
void dequantize_8(const struct real_values_params *params, const void *quantized, void *real);

#endif  // ESPALIER_KERNELS_REAL_VALUES_H_
