#ifndef ESPALIER_TESTS_MBED_ERROR_H_
#define ESPALIER_TESTS_MBED_ERROR_H_

#include <stdint.h>

typedef struct {
  int32_t error_status;
  uint32_t error_address;
} mbed_error_ctx;

extern "C" void mbed_error_hook(const mbed_error_ctx *error);

#endif  // ESPALIER_TESTS_MBED_ERROR_H_
