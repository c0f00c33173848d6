#include "crash.h"

#include <mbed.h>
#include <platform/mbed_error.h>

extern "C" {
void espalier_fault(void);  // fault.cc
void espalier_restart_after_fault(const uint32_t *frame);
}

namespace espalier {

namespace {

// Kept in a register that a reset leaves alone and the bootloader does not use.
constexpr uint32_t kCrashed = 0xCA;

// Where and why; lost if the bootloader uses this RAM, so it counts only with its check.
struct Details {
  uint32_t address;
  uint32_t link;
  uint32_t status;
  uint32_t is_fault;
  uint32_t check;
};

__attribute__((section(".noinit"))) Details details;

char report[96];

uint32_t check_of(const Details &of) {
  return ~(of.address ^ of.link ^ of.status ^ of.is_fault ^ 0x5EED5EEDu);
}

char *append(char *end, const char *text) {
  while (*text != '\0') *end++ = *text++;
  return end;
}

char *append_hex(char *end, uint32_t value) {
  end = append(end, "0x");
  for (int shift = 28; shift >= 0; shift -= 4) *end++ = "0123456789abcdef"[(value >> shift) & 15];
  return end;
}

const char *describe() {
  char *end = append(report, "\r\ne-[");
  end = append(end, details.is_fault ? "hard fault at " : "mbed error at ");
  end = append_hex(end, details.address);
  if (details.is_fault) {
    end = append(end, " lr ");
    end = append_hex(end, details.link);
  }
  end = append(end, " status ");
  end = append_hex(end, details.status);
  end = append(end, "]\r\n");
  *end = '\0';
  return report;
}

[[noreturn]] void restart(const Details &why) {
  details = why;
  details.check = check_of(why);
  NRF_POWER->GPREGRET2 = kCrashed;
  NVIC_SystemReset();
}

}  // namespace

Crash take_crash() {
  Crash crash = {NRF_POWER->GPREGRET2 == kCrashed, nullptr};
  NRF_POWER->GPREGRET2 = 0;
  if (crash.happened && details.check == check_of(details)) crash.report = describe();
  return crash;
}

void catch_crashes() {
  // Mbed OS keeps its vectors in RAM. Its own handler would blink for ever.
  NVIC_SetVector(HardFault_IRQn, reinterpret_cast<uintptr_t>(espalier_fault));
  // Everything else escalates to a hard fault while its own handler is off.
  SCB->SHCSR &=
      ~(SCB_SHCSR_MEMFAULTENA_Msk | SCB_SHCSR_BUSFAULTENA_Msk | SCB_SHCSR_USGFAULTENA_Msk);
}

}  // namespace espalier

// Asserts of Mbed OS, a thread's stack that is full, no heap left.
void mbed_error_hook(const mbed_error_ctx *error) {
  espalier::restart({error->error_address, 0, static_cast<uint32_t>(error->error_status), 0, 0});
}

// `frame`: r0-r3, r12, lr, pc, xpsr of the code that faulted.
void espalier_restart_after_fault(const uint32_t *frame) {
  espalier::restart({frame[6], frame[5], SCB->CFSR, 1, 0});
}
