// Arm MPS2 AN386 as QEMU and Unicorn show it: CMSDK UART 0, CMSDK dual timer, no interrupts.
//
// Sources: Arm DAI 0386 (Application Note AN386) for the memory map, Arm DDI 0479 (Cortex-M System
// Design Kit) for the UART and the dual timer.
#include "cortex_m.h"

namespace {

using cortex_m::reg;

constexpr uint32_t kClockHz = 25000000;

constexpr uint32_t kUartData = 0x40004000;
constexpr uint32_t kUartState = 0x40004004;
constexpr uint32_t kUartControl = 0x40004008;
constexpr uint32_t kUartBaudDivider = 0x40004010;
constexpr uint32_t kUartStateTxFull = 1u << 0;
constexpr uint32_t kUartStateRxFull = 1u << 1;
constexpr uint32_t kUartControlTxEnable = 1u << 0;
constexpr uint32_t kUartControlRxEnable = 1u << 1;
constexpr uint32_t kBaud = 115200;

// An emulator's time stands almost still while the firmware does nothing but ask devices; some
// instructions between two questions let timeouts come within a second of real time, and QEMU's
// main loop deliver the next byte.
constexpr int kPauseIterations = 2000;

constexpr uint32_t kTimerLoad = 0x40002000;
constexpr uint32_t kTimerValue = 0x40002004;
constexpr uint32_t kTimerControl = 0x40002008;
constexpr uint32_t kTimerControl32Bit = 1u << 1;
constexpr uint32_t kTimerControlEnable = 1u << 7;

bool has_crashed;         // the run before this one
uint64_t ticks_before;    // extends the timer to 64 bits
uint32_t last_countdown;  // the timer counts down

}  // namespace

void port_init(void) {
  has_crashed = cortex_m::take_crash();
  *reg(kUartBaudDivider) = (kClockHz + kBaud / 2) / kBaud;
  *reg(kUartControl) = kUartControlTxEnable | kUartControlRxEnable;
  *reg(kTimerControl) = 0;
  *reg(kTimerLoad) = 0xFFFFFFFF;
  *reg(kTimerControl) = kTimerControl32Bit | kTimerControlEnable;  // free-running
  last_countdown = *reg(kTimerValue);
  ticks_before = 0;
}

uint64_t port_ticks(void) {
  const uint32_t countdown = *reg(kTimerValue);
  ticks_before += last_countdown - countdown;
  last_countdown = countdown;
  return ticks_before;
}

uint64_t port_ticks_at_edge(void) {
  // A vernier: the loop takes 39 instructions and a tick 40, so each turn reads the timer one
  // instruction earlier within a tick. The turn that sees no new tick has read at the tick's very
  // end. Within 40 turns there is one, unless the timer stands still (an emulator that is told not
  // to count).
  uint32_t last = *reg(kTimerValue) + 1;
  uint32_t turns = 80;
  uint32_t value;
  uint32_t passed;
  __asm__ volatile(
      "1: ldr %[value], [%[timer]]\n"
      "subs %[passed], %[last], %[value]\n"
      "mov %[last], %[value]\n"
      "beq 2f\n"
      "subs %[turns], %[turns], #1\n"
      "beq 2f\n"
      ".rept 32\n nop\n .endr\n"
      "b 1b\n"
      "2:\n"
      : [value] "=&r"(value), [passed] "=&r"(passed), [last] "+&r"(last), [turns] "+&r"(turns)
      : [timer] "r"(reg(kTimerValue))
      : "cc", "memory");
  return port_ticks();
}

uint32_t port_ticks_per_second(void) { return kClockHz; }

const char *port_clock(void) { return "virtual-time"; }

size_t port_read(uint8_t *data, size_t capacity) {
  size_t size = 0;
  while (size < capacity && (*reg(kUartState) & kUartStateRxFull)) {
    data[size++] = static_cast<uint8_t>(*reg(kUartData));
  }
  if (size == 0) {
    for (int i = 0; i < kPauseIterations; ++i) __asm__ volatile("nop");
  }
  return size;
}

void port_write(const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    while (*reg(kUartState) & kUartStateTxFull) {
    }
    *reg(kUartData) = data[i];
  }
}

// Emulators start a machine anew when they are told to reset it.
const char *port_reset_reason(void) { return has_crashed ? "crash" : "power-on"; }
