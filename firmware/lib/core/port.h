// The boundary between the firmware and a board: one implementation in boards/<board>/port.cc.
#ifndef ESPALIER_CORE_PORT_H_
#define ESPALIER_CORE_PORT_H_

#include <stddef.h>
#include <stdint.h>

// C++ linkage on purpose: Mbed OS has functions port_init, port_read and port_write of its own, and
// a board that is built on it links both.

// The firmware, from src/main.cc. The port owns the platform's entry point (a reset handler,
// main(), an Arduino sketch's setup()) and calls this once from there; it never returns.
void firmware_main(void);

// Starts clocks, the timer and the serial line. Called once, before anything else.
void port_init(void);

// Monotonic time since port_init, in ticks; never wraps within a run. At least once in 2^31 ticks
// somebody must call it, so that ports can extend a 32-bit counter.
uint64_t port_ticks(void);

// port_ticks() at the beginning of a tick, as exactly as the port can wait for one: from here the
// same instructions take the same number of ticks every time. For starts of measurements.
uint64_t port_ticks_at_edge(void);

// Ticks per second of port_ticks, never 0.
uint32_t port_ticks_per_second(void);

// Where the ticks come from: "cycle-counter", "virtual-time" (emulators) or "host".
const char *port_clock(void);

// Moves up to `capacity` received bytes to `data` without waiting; returns how many.
size_t port_read(uint8_t *data, size_t capacity);

// Sends all `size` bytes, waiting as long as the line needs.
void port_write(const uint8_t *data, size_t size);

// Fills the unused stack below the caller with a pattern, for port_stack_peak_bytes.
void port_stack_paint(void);

// Deepest use of the stack since port_stack_paint, in bytes from the top of the stack.
// Returns 1 and sets *bytes, or returns 0 where the port cannot know (a hosted process).
int port_stack_peak_bytes(uint32_t *bytes);

// Memory that the heap could still hand out. Returns 1 and sets *bytes, or returns 0 where there
// is no heap.
int port_free_heap_bytes(uint32_t *bytes);

// Why the board started last: "power-on", "pin", "software", "watchdog", "brownout", "crash" or
// "unknown". Never NULL.
const char *port_reset_reason(void);

#endif  // ESPALIER_CORE_PORT_H_
