// As much of FreeRTOS as exported examples use.
#ifndef ESPALIER_STANDINS_FREERTOS_H_
#define ESPALIER_STANDINS_FREERTOS_H_

#include <stdint.h>

#define pdMS_TO_TICKS(milliseconds) ((uint32_t)(milliseconds))

#endif  // ESPALIER_STANDINS_FREERTOS_H_
