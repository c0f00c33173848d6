// Times loops of two instructions a turn: sends the ticks of 100,000, 200,000 and 400,000 turns.
#include "port.h"

static uint64_t ticks_of(uint32_t turns) {
  const uint64_t begin = port_ticks_at_edge();
  __asm__ volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(turns) : : "cc");
  return port_ticks() - begin;
}

void firmware_main(void) {
  port_init();
  for (uint32_t turns = 100000; turns <= 400000; turns *= 2) {
    const uint64_t ticks = ticks_of(turns);
    port_write(reinterpret_cast<const uint8_t *>(&ticks), sizeof ticks);
  }
  for (uint8_t byte;;) port_read(&byte, 1);  // idle, for emulators that stop at nothing else
}
