#include "mbed.h"

#include <platform/mbed_stats.h>
#include <rtx_os.h>

extern "C" {
void espalier_fault(void);
void espalier_restart_after_fault(const uint32_t *frame);
}

static SimulatedDwt dwt;
static SimulatedCoreDebug core_debug;
static SimulatedPower power;
static SimulatedNvmc nvmc;
static SimulatedScb scb;

SimulatedDwt *const DWT = &dwt;
SimulatedCoreDebug *const CoreDebug = &core_debug;
SimulatedPower *const NRF_POWER = &power;
SimulatedNvmc *const NRF_NVMC = &nvmc;
SimulatedScb *const SCB = &scb;

// What a reset leaves alone.
__attribute__((constructor)) static void keep_registers() {
  const bool crashed = simulated::crashed();
  power.GPREGRET2 = crashed ? 0xCA : 0;
  power.RESETREAS = crashed ? POWER_RESETREAS_SREQ_Msk : 0;
}

// In place of boards/nano33/fault.cc: the frame is what a Cortex-M4 would have saved.
void espalier_fault(void) {
  const uint32_t frame[8] = {0, 0, 0, 0, 0, 0x10001, 0x10000, 0};
  espalier_restart_after_fault(frame);
}

void NVIC_SetVector(IRQn_Type, uintptr_t handler) {
  simulated::on_fault = reinterpret_cast<void (*)()>(handler);
}

void NVIC_SystemReset() { simulated::restart(power.GPREGRET2 == 0xCA); }

void *osThreadGetId() {
  static osRtxThread_t thread;
  thread = {simulated::stack, static_cast<uint32_t>(simulated::stack_size)};
  return &thread;
}

void mbed_stats_heap_get(mbed_stats_heap_t *stats) { *stats = {3000, 100000, 500}; }
