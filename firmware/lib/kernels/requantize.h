// Fixed-point scaling, bit-exact with TFLite's reference kernels.
#ifndef ESPALIER_KERNELS_REQUANTIZE_H_
#define ESPALIER_KERNELS_REQUANTIZE_H_

#include <stdint.h>

// x * multiplier * 2^(shift - 31) with double rounding; shift > 0 is to the left.
//   multiplier in (-2^31, 2^31), shift in [-31, 30]
// TFLite: MultiplyByQuantizedMultiplier with TFLITE_SINGLE_ROUNDING off.
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    x = (int32_t)((uint32_t)x << shift);  // wraps as the reference does
    shift = 0;
  }
  // The doubling high multiply rounds half up for every sign: gemmlowp's nudge of 1 - 2^30 for
  // negative products followed by a truncating division is the same function.
  int32_t high = (int32_t)(((int64_t)x * multiplier + (INT64_C(1) << 30)) >> 31);
  if (shift == 0) {
    return high;
  }
  // Half away from zero, in two steps that cannot overflow.
  return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}

// x * multiplier / 2^shift, rounded half away from zero, in one step of 64 bits.
//   multiplier in [0, 2^31), shift in [1, 62]
// TFLite's reference FULLY_CONNECTED scales in double; the generator picks multiplier and shift
// such that this gives the same results (pipeline/fixed_point.py, exact_multiplier).
static inline int32_t requantize_once(int32_t x, int32_t multiplier, int32_t shift) {
  // One less where x is negative: a tie goes away from zero.
  int64_t product = (int64_t)x * multiplier + (x >> 31);
  // The usual case, for factors below 1/4, needs one word only. Without the hint compilers work
  // out both before they choose.
  if (__builtin_expect(shift > 32, 1)) {
    return (((int32_t)(product >> 32) >> (shift - 33)) + 1) >> 1;
  }
  return (int32_t)(((product >> (shift - 1)) + 1) >> 1);
}

static inline int32_t clamp(int32_t x, int32_t lowest, int32_t highest) {
  if (x < lowest) {
    x = lowest;
  }
  return x > highest ? highest : x;
}

#endif  // ESPALIER_KERNELS_REQUANTIZE_H_
