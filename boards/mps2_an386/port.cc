// Arm MPS2 AN386 as QEMU and Unicorn show it: CMSDK UART 0, CMSDK dual timer, no interrupts.
//
// Sources: Arm DAI 0386 (Application Note AN386) for the memory map, Arm DDI 0479 (Cortex-M System
// Design Kit) for the UART and the dual timer, Arm DDI 0403 (ARMv7-M) for the core.
#include "port.h"

extern "C" {

// From the linker script.
extern uint32_t __stack_limit[], __stack_top[];
extern uint32_t __data_load[], __data_begin[], __data_end[];
extern uint32_t __bss_begin[], __bss_end[];
extern uint32_t __last_run[];

void port_reset(void);
void port_fault(void);
void port_report_fault(const uint32_t *frame);
}

namespace {

volatile uint32_t *reg(uint32_t address) { return reinterpret_cast<volatile uint32_t *>(address); }

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

constexpr uint32_t kCoprocessorAccess = 0xE000ED88;
constexpr uint32_t kMpuControl = 0xE000ED94;
constexpr uint32_t kMpuRegionNumber = 0xE000ED98;
constexpr uint32_t kMpuRegionBase = 0xE000ED9C;
constexpr uint32_t kMpuRegionAttributes = 0xE000EDA0;
// No access, no execution, 2^28 bytes: the 256 MB right below RAM.
constexpr uint32_t kBelowRam = 0x10000000;
constexpr uint32_t kForbidden = 1u << 28 | 27u << 1 | 1u;
constexpr uint32_t kMpuEnableWithDefaultMap = 1u << 2 | 1u;

constexpr uint32_t kConfigurableFaultStatus = 0xE000ED28;
constexpr uint32_t kBusFaultAddress = 0xE000ED38;
constexpr uint32_t kResetControl = 0xE000ED0C;
constexpr uint32_t kRequestReset = 0x05FA0004;

// MSTKERR and STKERR: the core could not even save its registers, so the stack is full.
constexpr uint32_t kStackingFailed = 1u << 4 | 1u << 12;
constexpr uint32_t kBusFaultAddressValid = 1u << 15;

constexpr uint32_t kPaint = 0xC5C5C5C5;
// Words below the painting function's own frame that it leaves alone.
constexpr uint32_t kPaintMargin = 16;

// Left in RAM for the next start, in __last_run; what lies there after power-on is anything else.
constexpr uint32_t kCrashed = 0xBAD0BAD0;

bool has_crashed;         // the run before this one
uint64_t ticks_before;    // extends the timer to 64 bits
uint32_t last_countdown;  // the timer counts down

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

// The core takes the stack pointer and the entry point from here. Nothing enables an interrupt, so
// the sixteen vectors of the core are all.
struct Vectors {
  const uint32_t *stack;
  void (*handlers[15])(void);
};

__attribute__((section(".vectors"), used)) const Vectors kVectors = {
    __stack_top,
    {port_reset, port_fault /* NMI */, port_fault /* HardFault, and all that escalates to it */},
};

}  // namespace

void port_reset(void) {
  // Before anything that might use a floating-point register.
  *reg(kCoprocessorAccess) = *reg(kCoprocessorAccess) | 0xFu << 20;
  // A stack that overflows leaves RAM at its lower end, where QEMU's machine takes every access in
  // silence.
  *reg(kMpuRegionNumber) = 0;
  *reg(kMpuRegionBase) = kBelowRam;
  *reg(kMpuRegionAttributes) = kForbidden;
  *reg(kMpuControl) = kMpuEnableWithDefaultMap;
  __asm__ volatile("dsb\n isb" ::: "memory");
  const uint32_t *source = __data_load;
  for (uint32_t *word = __data_begin; word != __data_end; ++word) *word = *source++;
  for (uint32_t *word = __bss_begin; word != __bss_end; ++word) *word = 0;
  has_crashed = *__last_run == kCrashed;
  *__last_run = 0;
  firmware_main();
}

// The stack may be what has gone wrong: hand over what the core saved, and start a fresh one.
__attribute__((naked)) void port_fault(void) {
  __asm__ volatile(
      "mrs r0, msp\n"
      "ldr r1, =__stack_top\n"
      "mov sp, r1\n"
      "bl port_report_fault\n");
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
  *__last_run = kCrashed;
  *reg(kResetControl) = kRequestReset;
  for (;;) {
  }
}

void port_init(void) {
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

void port_stack_paint(void) {
  const uint32_t *end = static_cast<const uint32_t *>(__builtin_frame_address(0)) - kPaintMargin;
  for (uint32_t *word = __stack_limit; word < end; ++word) *word = kPaint;
}

int port_stack_peak_bytes(uint32_t *bytes) {
  const uint32_t *word = __stack_limit;
  while (word < __stack_top && *word == kPaint) ++word;
  *bytes = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__stack_top) -
                                 reinterpret_cast<uintptr_t>(word));
  return 1;
}

int port_free_heap_bytes(uint32_t *bytes) {
  *bytes = 0;
  return 0;
}

const char *port_reset_reason(void) {
  // Emulators start a machine anew when they are told to reset it.
  return has_crashed ? "crash" : "power-on";
}
