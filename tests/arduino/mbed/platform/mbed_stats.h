#ifndef ESPALIER_TESTS_MBED_STATS_H_
#define ESPALIER_TESTS_MBED_STATS_H_

#include <stdint.h>

typedef struct {
  uint32_t current_size;
  uint32_t reserved_size;
  uint32_t overhead_size;
} mbed_stats_heap_t;

void mbed_stats_heap_get(mbed_stats_heap_t *stats);

#endif  // ESPALIER_TESTS_MBED_STATS_H_
