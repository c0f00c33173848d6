// The part of port.h that all boards with an Arduino core share: entry point, serial line, clock.
#include <Arduino.h>

#include "arduino_board.h"
#include "cycle_clock.h"
#include "port.h"

namespace {

constexpr uint32_t kBaud = 115200;

espalier::CycleClock cycle_clock;
uint32_t cycles_per_second;
const char *crash_report;

void write_text(const char *text) {
  size_t size = 0;
  while (text[size] != '\0') ++size;
  port_write(reinterpret_cast<const uint8_t *>(text), size);
}

}  // namespace

// Arduino's main task calls these two; its stack is the one that inferences run on.
void setup() { firmware_main(); }

void loop() {}

void port_init(void) {
  espalier::board_start();
  crash_report = espalier::board_crash_report();
  Serial.begin(kBaud);
  const uint32_t rate = espalier::board_cycles_per_microsecond();
  cycles_per_second = rate * 1000000;
  cycle_clock.start(espalier::board_cycles(), static_cast<uint32_t>(micros()), rate);
}

uint64_t port_ticks(void) {
  return cycle_clock.now(espalier::board_cycles(), static_cast<uint32_t>(micros()));
}

uint64_t port_ticks_at_edge(void) { return port_ticks(); }  // a tick is shorter than this call

uint32_t port_ticks_per_second(void) { return cycles_per_second; }

const char *port_clock(void) { return "cycle-counter"; }

size_t port_read(uint8_t *data, size_t capacity) {
  if (crash_report != nullptr && Serial) {
    write_text(crash_report);
    crash_report = nullptr;
  }
  size_t size = 0;
  while (size < capacity && Serial.available() > 0) {
    data[size++] = static_cast<uint8_t>(Serial.read());
  }
  if (size == 0) espalier::board_idle();
  return size;
}

void port_write(const uint8_t *data, size_t size) {
  const size_t largest = espalier::board_largest_write();
  while (size > 0) {
    const size_t piece = size < largest ? size : largest;
    // 0: nobody has the port open, and what is said to nobody is lost.
    if (Serial.write(data, piece) == 0) return;
    data += piece;
    size -= piece;
  }
}
