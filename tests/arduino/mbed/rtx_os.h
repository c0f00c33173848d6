#ifndef ESPALIER_TESTS_RTX_OS_H_
#define ESPALIER_TESTS_RTX_OS_H_

#include <stdint.h>

#define osRtxStackFillPattern 0xCCCCCCCCU

typedef struct {
  void *stack_mem;
  uint32_t stack_size;
} osRtxThread_t;

void *osThreadGetId();

#endif  // ESPALIER_TESTS_RTX_OS_H_
