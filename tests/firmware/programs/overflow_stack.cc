// Says hello, and then calls itself until the stack is full.
#include "port.h"

static volatile uint32_t depth;

__attribute__((noinline)) static uint32_t descend(uint32_t value) {
  volatile uint32_t local[16];
  for (volatile uint32_t &word : local) word = value;
  depth = depth + 1;
  return descend(local[value & 15] + 1) + local[0];
}

void firmware_main(void) {
  port_init();
  port_write(reinterpret_cast<const uint8_t *>("hello\n"), 6);
  descend(0);
}
