// What boards that share the Arduino API do each in their own way. lib/arduino/arduino_port.cc has
// the rest of port.h.
#ifndef ESPALIER_ARDUINO_ARDUINO_BOARD_H_
#define ESPALIER_ARDUINO_ARDUINO_BOARD_H_

#include <stddef.h>
#include <stdint.h>

namespace espalier {

// Starts what Arduino's start-up has not: cycle counter, watchdogs. Before the serial line.
void board_start();

// A free-running counter of the core's cycles.
uint32_t board_cycles();
uint32_t board_cycles_per_microsecond();

// Called when nothing has arrived: lets lesser tasks run where they need it.
void board_idle();

// How many bytes Serial.write takes at a time.
size_t board_largest_write();

// A line about a crash before this start, once, when somebody listens; NULL without one.
const char *board_crash_report();

}  // namespace espalier

#endif  // ESPALIER_ARDUINO_ARDUINO_BOARD_H_
