// Vectors, and what has to happen before C++ can run.
#include "cortex_m.h"

namespace {

using cortex_m::reg;

constexpr uint32_t kCoprocessorAccess = 0xE000ED88;
constexpr uint32_t kMpuControl = 0xE000ED94;
constexpr uint32_t kMpuRegionNumber = 0xE000ED98;
constexpr uint32_t kMpuRegionBase = 0xE000ED9C;
constexpr uint32_t kMpuRegionAttributes = 0xE000EDA0;
// No access, no execution, 2^27 bytes: the 128 MB right below RAM. What a chip tells of itself
// lies lower (the FICR of Nordic's at 0x10000000) and stays readable.
constexpr uint32_t kBelowRam = 0x18000000;
constexpr uint32_t kForbidden = 1u << 28 | 26u << 1 | 1u;
constexpr uint32_t kMpuEnableWithDefaultMap = 1u << 2 | 1u;

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
  // A stack that overflows leaves RAM at its lower end, where some machines take every access in
  // silence.
  *reg(kMpuRegionNumber) = 0;
  *reg(kMpuRegionBase) = kBelowRam;
  *reg(kMpuRegionAttributes) = kForbidden;
  *reg(kMpuControl) = kMpuEnableWithDefaultMap;
  __asm__ volatile("dsb\n isb" ::: "memory");
  const uint32_t *source = __data_load;
  for (uint32_t *word = __data_begin; word != __data_end; ++word) *word = *source++;
  for (uint32_t *word = __bss_begin; word != __bss_end; ++word) *word = 0;
  firmware_main();
}
