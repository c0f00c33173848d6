#include "softmax_s8.h"

#include "requantize.h"

// Fixed-point names: Qi.f has i integer and f fractional bits beside the sign.

// Product of two fixed-point numbers, rounded: Qa * Qb = Q(a+b) of integer bits.
static inline int32_t multiply(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

// x / 2^n, half away from zero; n in 1 .. 31.
static inline int32_t divide_by_power(int32_t x, int32_t n) {
  return (((x + (x >> 31)) >> (n - 1)) + 1) >> 1;
}

// x * 2^n, saturating.
static inline int32_t multiply_by_power(int32_t x, int32_t n) {
  int32_t limit = INT32_MAX >> n;
  if (x > limit) {
    return INT32_MAX;
  }
  if (x < -limit - 1) {
    return INT32_MIN;
  }
  return (int32_t)((uint32_t)x << n);
}

// exp(x) for x in [-1/4, 0) in Q0.31: a Taylor polynomial of degree four about -1/8.
static int32_t exp_quarter(int32_t x) {
  const int32_t exp_minus_one_eighth = 1895147668;
  const int32_t one_third = 715827883;
  int32_t a = x + (1 << 28);
  int32_t a2 = multiply(a, a);
  int32_t a3 = multiply(a2, a);
  int32_t a4 = multiply(a2, a2);
  int32_t tail = multiply(divide_by_power(a4, 2) + a3, one_third) + a2;
  return exp_minus_one_eighth + multiply(exp_minus_one_eighth, a + divide_by_power(tail, 1));
}

// exp(x) for x <= 0 in Q5.26; the result is Q0.31. The quarter's remainder goes through the
// polynomial, the rest is a product of exp(-2^k) for the bits that are set.
static int32_t exp_negative(int32_t x) {
  static const int32_t kExpOfPower[] = {
      1672461947,  // exp(-1/4)
      1302514674,  // exp(-1/2)
      790015084,   // exp(-1)
      290630308,   // exp(-2)
      39332535,    // exp(-4)
      720401,      // exp(-8)
      242,         // exp(-16)
  };
  const int32_t quarter = 1 << 24;
  if (x == 0) {
    return INT32_MAX;
  }
  int32_t part = (x & (quarter - 1)) - quarter;
  int32_t result = exp_quarter(part * (1 << 5));
  int32_t rest = part - x;
  for (int i = 0; i < 7; ++i) {
    if (rest & (quarter << i)) {
      result = multiply(result, kExpOfPower[i]);
    }
  }
  return result;
}

// 1 / (1 + x) for x in [0, 1), both Q0.31: three Newton steps from 48/17 - 32/17 d.
static int32_t reciprocal(int32_t x) {
  const int32_t q2_48_over_17 = 1515870810;
  const int32_t q2_32_over_17 = 1010580540;
  // Half of (x + 1), rounded half away from zero; both are positive.
  int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t y = q2_48_over_17 + multiply(half_denominator, -q2_32_over_17);
  for (int i = 0; i < 3; ++i) {
    int32_t error = (1 << 29) - multiply(half_denominator, y);
    y += multiply_by_power(multiply(y, error), 2);
  }
  return multiply_by_power(y, 1);
}

static int32_t count_leading_zeros(uint32_t x) {
  int32_t zeros = 0;
  for (; x < UINT32_C(0x80000000); x <<= 1) {
    ++zeros;
  }
  return zeros;
}

static int32_t exp_of_difference(const struct softmax_params *p, int32_t difference) {
  return exp_negative(requantize(difference, p->multiplier, p->shift));
}

void softmax_s8(const struct softmax_params *params, const int8_t *input, int8_t *output) {
  int32_t depth = (int32_t)params->depth;
  for (uint32_t row = 0; row < params->rows; ++row) {
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < depth; ++i) {
      largest = input[i] > largest ? input[i] : largest;
    }
    int32_t sum = 0;  // Q12.19; at least exp(0), so never 0
    for (int32_t i = 0; i < depth; ++i) {
      int32_t difference = input[i] - largest;
      if (difference >= params->diff_min) {
        sum += divide_by_power(exp_of_difference(params, difference), 12);
      }
    }
    int32_t headroom = count_leading_zeros((uint32_t)sum);
    int32_t scale = reciprocal((int32_t)(((uint32_t)sum << headroom) - UINT32_C(0x80000000)));
    // Above 31 if 512 or more classes tie for the maximum: every result rounds to 0 then, while
    // the reference aborts.
    int32_t exponent = 12 - headroom + 31 - 8;
    for (int32_t i = 0; i < depth; ++i) {
      int32_t difference = input[i] - largest;
      int32_t y = 0;
      if (difference >= params->diff_min && exponent <= 31) {
        y = divide_by_power(multiply(scale, exp_of_difference(params, difference)), exponent);
      }
      output[i] = (int8_t)clamp(y + INT8_MIN, INT8_MIN, INT8_MAX);
    }
    input += depth;
    output += depth;
  }
}
