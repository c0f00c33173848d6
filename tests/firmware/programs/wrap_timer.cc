// Lets the timer run through zero: sends port_ticks() before, and twice after it.
#include "port.h"

static void send_ticks(void) {
  const uint64_t ticks = port_ticks();
  port_write(reinterpret_cast<const uint8_t *>(&ticks), sizeof ticks);
}

static void wait(uint32_t turns) {
  __asm__ volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(turns) : : "cc");
}

void firmware_main(void) {
  port_init();
  *reinterpret_cast<volatile uint32_t *>(0x40002000) = 5000;  // 5000 ticks to zero
  send_ticks();
  wait(200000);  // 10,000 ticks
  send_ticks();
  wait(200000);
  send_ticks();
  for (;;) {
  }
}
