// A stand-in for the registers and functions of Mbed OS and CMSIS that boards/nano33 uses.
#ifndef ESPALIER_TESTS_MBED_H_
#define ESPALIER_TESTS_MBED_H_

#include "Arduino.h"

constexpr uint32_t SystemCoreClock = 64000000;

struct CycleCounter {
  operator uint32_t() const { return simulated::cycles(SystemCoreClock / 1000000) - begin_; }
  void operator=(uint32_t value) { begin_ += *this - value; }

 private:
  uint32_t begin_ = 0;
};

struct SimulatedDwt {
  CycleCounter CYCCNT;
  uint32_t CTRL = 0;
};
struct SimulatedCoreDebug {
  uint32_t DEMCR = 0;
};
struct SimulatedPower {
  uint32_t RESETREAS = 0;
  uint32_t GPREGRET2 = 0;
};
struct SimulatedNvmc {
  uint32_t ICACHECNF = 0;
};
struct SimulatedScb {
  uint32_t SHCSR = 0;
  uint32_t CFSR = 0;
};

extern SimulatedDwt *const DWT;
extern SimulatedCoreDebug *const CoreDebug;
extern SimulatedPower *const NRF_POWER;
extern SimulatedNvmc *const NRF_NVMC;
extern SimulatedScb *const SCB;

#define CoreDebug_DEMCR_TRCENA_Msk (1u << 24)
#define DWT_CTRL_CYCCNTENA_Msk 1u
#define POWER_RESETREAS_RESETPIN_Msk 1u
#define POWER_RESETREAS_DOG_Msk (1u << 1)
#define POWER_RESETREAS_SREQ_Msk (1u << 2)
#define POWER_RESETREAS_LOCKUP_Msk (1u << 3)
#define NVMC_ICACHECNF_CACHEEN_Msk 1u
#define SCB_SHCSR_MEMFAULTENA_Msk (1u << 16)
#define SCB_SHCSR_BUSFAULTENA_Msk (1u << 17)
#define SCB_SHCSR_USGFAULTENA_Msk (1u << 18)

enum IRQn_Type { HardFault_IRQn = -13 };

void NVIC_SetVector(IRQn_Type number, uintptr_t handler);
[[noreturn]] void NVIC_SystemReset();

#endif  // ESPALIER_TESTS_MBED_H_
