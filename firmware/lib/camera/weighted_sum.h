// Sums of bytes with weights in units of 2^-22, rounded half up.
#ifndef ESPALIER_CAMERA_WEIGHTED_SUM_H_
#define ESPALIER_CAMERA_WEIGHTED_SUM_H_

#include <stdint.h>

#define WEIGHTED_HALF (1u << 21)

// The byte of a sum that began with WEIGHTED_HALF. The weights of a sum are positive and add up to
// 2^22 and a rounding error far below 2^21 / 255: the sum fits, and the byte needs no clamp.
static inline uint8_t weighted_byte(uint32_t sum) { return (uint8_t)(sum >> 22); }

#endif  // ESPALIER_CAMERA_WEIGHTED_SUM_H_
