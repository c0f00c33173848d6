#include "esp32.h"

#include "Arduino.h"

EspClass ESP;

uint32_t EspClass::getCycleCount() { return simulated::cycles(240); }

// Only so much of the stack as the port asks for counts as the task's.
static uint8_t *stack_start() {
  return simulated::stack + simulated::stack_size - getArduinoLoopTaskStackSize();
}

__attribute__((constructor)) static void start() {
  simulated::on_fault = [] { simulated::restart(true); };
}

void disableCore0WDT() {}

esp_reset_reason_t esp_reset_reason() {
  return simulated::crashed() ? ESP_RST_PANIC : ESP_RST_POWERON;
}

int xPortGetCoreID() { return 0; }

uint8_t *pxTaskGetStackStart(void *) { return stack_start(); }

unsigned uxTaskGetStackHighWaterMark(void *) {
  // FreeRTOS has painted what the port leaves alone.
  const uint8_t *byte = stack_start() + 64;
  while (*byte == 0xA5) ++byte;
  return static_cast<unsigned>(byte - stack_start());
}
