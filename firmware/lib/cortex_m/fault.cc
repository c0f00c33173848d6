// A fault is said on the serial line, and the chip restarts.
#include "cortex_m.h"

extern "C" void port_report_fault(const uint32_t *frame);

namespace {

using cortex_m::reg;

constexpr uint32_t kConfigurableFaultStatus = 0xE000ED28;
constexpr uint32_t kBusFaultAddress = 0xE000ED38;
constexpr uint32_t kResetControl = 0xE000ED0C;
constexpr uint32_t kRequestReset = 0x05FA0004;

// MSTKERR and STKERR: the core could not even save its registers, so the stack is full.
constexpr uint32_t kStackingFailed = 1u << 4 | 1u << 12;
constexpr uint32_t kBusFaultAddressValid = 1u << 15;

constexpr uint32_t kCrashed = 0xDEADFA17;

// Start-up leaves it as it is, a reset does, too, and after a loss of power it holds anything:
// volatile, because a compiler that takes it for a variable like others knows that it begins with
// 0.
__attribute__((section(".noinit"))) volatile uint32_t crash_mark;

void write_text(const char *text) {
  for (; *text != '\0'; ++text) port_write(reinterpret_cast<const uint8_t *>(text), 1);
}

void write_hex(uint32_t value) {
  write_text("0x");
  for (int shift = 28; shift >= 0; shift -= 4) {
    const uint8_t digit = "0123456789abcdef"[(value >> shift) & 15];
    port_write(&digit, 1);
  }
}

}  // namespace

bool cortex_m::take_crash() {
  const bool has_crashed = crash_mark == kCrashed;
  crash_mark = 0;
  return has_crashed;
}

// Hands over what the core saved. The stack may be what has gone wrong: where little of it is left,
// the report begins a fresh one at the top, far from what was saved.
__attribute__((naked)) void port_fault(void) {
  __asm__ volatile(
      "mrs r0, msp\n"
      "ldr r1, =__stack_limit + 1024\n"
      "cmp r0, r1\n"
      "bhs 1f\n"
      "ldr r1, =__stack_top\n"
      "mov sp, r1\n"
      "1: bl port_report_fault\n");
}

// `frame`: r0-r3, r12, lr, pc, xpsr of the code that faulted, if they could be saved.
void port_report_fault(const uint32_t *frame) {
  const uint32_t status = *reg(kConfigurableFaultStatus);
  write_text("\r\n");
  if (status & kStackingFailed) {
    write_text("e-[stack overflow");
  } else {
    write_text("e-[hard fault at ");
    write_hex(frame[6]);
    write_text(" lr ");
    write_hex(frame[5]);
  }
  write_text(" status ");
  write_hex(status);
  if (status & kBusFaultAddressValid) {
    write_text(" address ");
    write_hex(*reg(kBusFaultAddress));
  }
  write_text("]\r\n");
  crash_mark = kCrashed;
  *reg(kResetControl) = kRequestReset;
  for (;;) {
  }
}
