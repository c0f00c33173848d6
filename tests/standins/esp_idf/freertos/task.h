// As much of FreeRTOS' tasks as exported examples use.
#ifndef ESPALIER_STANDINS_TASK_H_
#define ESPALIER_STANDINS_TASK_H_

#include <stdint.h>

void vTaskDelay(uint32_t ticks);

#endif  // ESPALIER_STANDINS_TASK_H_
