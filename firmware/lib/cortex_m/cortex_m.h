// What ports to bare-metal Cortex-M4F chips share: vectors and start-up (start.cc), reports of
// faults (fault.cc), the functions of port.h that look at memory (memory.cc), and how the linker
// lays it all out (sections.ld). A port of this kind has no entry point and no fault handler of its
// own.
//
// Source of all registers: Arm DDI 0403 (ARMv7-M).
#ifndef ESPALIER_CORTEX_M_H_
#define ESPALIER_CORTEX_M_H_

#include <stdint.h>

#include "port.h"

namespace cortex_m {

inline volatile uint32_t *reg(uint32_t address) {
  return reinterpret_cast<volatile uint32_t *>(address);
}

// Whether a fault was what made the chip restart; forgets it.
bool take_crash();

}  // namespace cortex_m

extern "C" {

// From the linker script.
extern uint32_t __stack_limit[], __stack_top[];
extern uint32_t __data_load[], __data_begin[], __data_end[];
extern uint32_t __bss_begin[], __bss_end[];

// Where the core begins after a reset.
void port_reset(void);

// Where it goes on after a fault.
void port_fault(void);
}

#endif  // ESPALIER_CORTEX_M_H_
