// What lib/arduino leaves to the board, for all chips of the ESP32 family: FreeRTOS, Arduino core
// 2 or 3.
//
// Sources: ESP-IDF Programming Guide, "FreeRTOS", "Watchdogs", "Miscellaneous System APIs".
#include <Arduino.h>
#include <esp_system.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
// Where ESP-IDF 5, and so Arduino core 3, declares what it adds to FreeRTOS.
#if __has_include(<freertos/idf_additions.h>)
#include <freertos/idf_additions.h>
#endif

#include "arduino_board.h"
#include "port.h"

namespace {

constexpr size_t kStackBytes = 16384;
// The line keeps what arrives while an inference runs.
constexpr size_t kReceiveBufferBytes = 1024;
// More than this waits in Serial.write all the same.
constexpr size_t kLargestWrite = 1024;

// As FreeRTOS fills stacks. A watchpoint guards the lowest bytes, and there it stays unbroken.
constexpr uint8_t kPaint = 0xA5;
constexpr size_t kGuardBytes = 64;
// Below a function's own frame its callers' registers may be saved.
constexpr size_t kPaintMargin = 128;

}  // namespace

// Stack of the task that calls setup(): 8 KB is what Arduino gives it.
SET_LOOP_TASK_STACK_SIZE(kStackBytes);

namespace espalier {

void board_start() {
  Serial.setRxBufferSize(kReceiveBufferBytes);
  // On a chip with one core, and only there, the idle task that this task would starve is watched.
  if (xPortGetCoreID() == 0) disableCore0WDT();
}

uint32_t board_cycles() { return ESP.getCycleCount(); }

uint32_t board_cycles_per_microsecond() { return ESP.getCpuFreqMHz(); }

// Lets the idle task free what ended tasks have left.
void board_idle() { delay(1); }

size_t board_largest_write() { return kLargestWrite; }

// The chip's own handler has printed where it happened, on the same line, before it restarted.
const char *board_crash_report() { return nullptr; }

}  // namespace espalier

void port_stack_paint(void) {
  uint8_t *end = static_cast<uint8_t *>(__builtin_frame_address(0)) - kPaintMargin;
  uint8_t *begin = reinterpret_cast<uint8_t *>(pxTaskGetStackStart(nullptr)) + kGuardBytes;
  for (uint8_t *byte = begin; byte < end; ++byte) *byte = kPaint;
}

int port_stack_peak_bytes(uint32_t *bytes) {
  // Stacks are counted in bytes on these chips, FreeRTOS' words elsewhere.
  *bytes = static_cast<uint32_t>(kStackBytes - uxTaskGetStackHighWaterMark(nullptr));
  return 1;
}

int port_free_heap_bytes(uint32_t *bytes) {
  *bytes = ESP.getFreeHeap();
  return 1;
}

const char *port_reset_reason(void) {
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
      return "power-on";
    case ESP_RST_EXT:
      return "pin";
    case ESP_RST_SW:
      return "software";
    case ESP_RST_PANIC:
      return "crash";
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
      return "watchdog";
    case ESP_RST_BROWNOUT:
      return "brownout";
    default:
      return "unknown";
  }
}
