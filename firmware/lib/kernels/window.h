// The part of a sliding window that lies inside the image.
#ifndef ESPALIER_KERNELS_WINDOW_H_
#define ESPALIER_KERNELS_WINDOW_H_

#include <stdint.h>

// Taps first <= k < last of a window along one axis; tap k reads position origin + k * dilation.
struct window_range {
  int32_t first;
  int32_t last;
};

static inline struct window_range window_inside(int32_t origin, int32_t dilation, int32_t taps,
                                                int32_t size) {
  struct window_range range = {0, taps};
  while (range.first < taps && origin + range.first * dilation < 0) {
    ++range.first;
  }
  while (range.last > range.first && origin + (range.last - 1) * dilation >= size) {
    --range.last;
  }
  return range;
}

#endif  // ESPALIER_KERNELS_WINDOW_H_
