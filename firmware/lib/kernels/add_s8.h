// Elementwise addition of two int8 tensors, with broadcasting.
#ifndef ESPALIER_KERNELS_ADD_S8_H_
#define ESPALIER_KERNELS_ADD_S8_H_

#include <stdint.h>

struct add_operand {
  int16_t offset;      // -zero_point
  int8_t shift;        // see requantize()
  int32_t multiplier;  // see requantize()
  uint32_t stride[4];  // elements from one index to the next along each axis; 0 where broadcast
};

struct add_params {
  struct add_operand a, b;
  uint32_t shape[4];      // of the output
  int16_t output_offset;  // zero_point of the output
  int8_t output_shift;    // see requantize()
  int32_t output_multiplier;
  int8_t output_min, output_max;
};

//   a, b: shapes that broadcast to `shape`    output [shape], must not alias a or b
// Bit-exact with TFLite's reference (internal/reference/integer_ops/add.h).
void add_s8(const struct add_params *params, const int8_t *a, const int8_t *b, int8_t *output);

#endif  // ESPALIER_KERNELS_ADD_S8_H_
