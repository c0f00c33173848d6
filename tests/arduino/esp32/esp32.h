// A stand-in for what the ESP32's Arduino core adds to the API, and for ESP-IDF.
#ifndef ESPALIER_TESTS_ESP32_H_
#define ESPALIER_TESTS_ESP32_H_

#include <stddef.h>
#include <stdint.h>

#define SET_LOOP_TASK_STACK_SIZE(bytes) \
  size_t getArduinoLoopTaskStackSize() { return bytes; }

size_t getArduinoLoopTaskStackSize();
void disableCore0WDT();

class EspClass {
 public:
  uint32_t getCycleCount();
  uint32_t getCpuFreqMHz() { return 240; }
  uint32_t getFreeHeap() { return 250000; }
};

extern EspClass ESP;

typedef enum {
  ESP_RST_UNKNOWN,
  ESP_RST_POWERON,
  ESP_RST_EXT,
  ESP_RST_SW,
  ESP_RST_PANIC,
  ESP_RST_INT_WDT,
  ESP_RST_TASK_WDT,
  ESP_RST_WDT,
  ESP_RST_DEEPSLEEP,
  ESP_RST_BROWNOUT,
  ESP_RST_SDIO,
} esp_reset_reason_t;

esp_reset_reason_t esp_reset_reason();

int xPortGetCoreID();
uint8_t *pxTaskGetStackStart(void *task);
unsigned uxTaskGetStackHighWaterMark(void *task);

#endif  // ESPALIER_TESTS_ESP32_H_
