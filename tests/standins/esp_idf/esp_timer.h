// As much of ESP-IDF's timer as exported examples use.
#ifndef ESPALIER_STANDINS_ESP_TIMER_H_
#define ESPALIER_STANDINS_ESP_TIMER_H_

#include <stdint.h>

int64_t esp_timer_get_time(void);

#endif  // ESPALIER_STANDINS_ESP_TIMER_H_
