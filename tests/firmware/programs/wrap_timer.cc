// Lets the timer wrap: sends port_ticks() before, and twice after it. TIMER and BEFORE_WRAP come
// from the test.
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
  *reinterpret_cast<volatile uint32_t *>(TIMER) = BEFORE_WRAP;
  send_ticks();
  wait(200000);  // 400,000 instructions
  send_ticks();
  wait(200000);
  send_ticks();
  for (uint8_t byte;;) port_read(&byte, 1);  // idle, for emulators that stop at nothing else
}
