// Arduino Nano 33 BLE: what lib/arduino leaves to the board. nRF52840, Mbed OS, USB serial port.
//
// Sources: Arm DDI 0403 (ARMv7-M) for the cycle counter, Nordic's nRF52840 Product Specification
// for reset reasons (POWER) and the cache (NVMC), the headers of Mbed OS 6 for threads and heap.
#include "port.h"

#include <Arduino.h>
#include <mbed.h>
#include <platform/mbed_stats.h>
#include <rtx_os.h>

#include "arduino_board.h"
#include "crash.h"

namespace {

// The end points of its USB serial port take packets of 64 bytes. Hosts wait for more after a full
// packet, and the core never sends the empty one that would end it: all packets are shorter.
constexpr size_t kLargestWrite = 63;

// As RTX itself fills stacks; its lowest word is a mark that RTX checks.
constexpr uint32_t kPaint = osRtxStackFillPattern;
constexpr uint32_t kMarkWords = 4;
// Words below the painting function's own frame that it leaves alone.
constexpr uint32_t kPaintMargin = 16;

uint32_t reset_reasons;
espalier::Crash last_crash;

const osRtxThread_t *this_thread() { return static_cast<const osRtxThread_t *>(osThreadGetId()); }

uint32_t *stack_limit() { return static_cast<uint32_t *>(this_thread()->stack_mem); }

uint32_t *stack_top() { return stack_limit() + this_thread()->stack_size / sizeof(uint32_t); }

}  // namespace

namespace espalier {

void board_start() {
  reset_reasons = NRF_POWER->RESETREAS;
  NRF_POWER->RESETREAS = reset_reasons;  // ones clear it: reasons would add up otherwise
  last_crash = take_crash();
  catch_crashes();
  // Off after a reset. Code in flash would wait for each fetch.
  NRF_NVMC->ICACHECNF |= NVMC_ICACHECNF_CACHEEN_Msk;
  CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
  DWT->CYCCNT = 0;
  DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
}

uint32_t board_cycles() { return DWT->CYCCNT; }

uint32_t board_cycles_per_microsecond() { return SystemCoreClock / 1000000; }

// Nothing to do: the threads that serve USB have the same priority or a higher one. Sleeping would
// stop the cycle counter.
void board_idle() {}

size_t board_largest_write() { return kLargestWrite; }

const char *board_crash_report() { return last_crash.happened ? last_crash.report : nullptr; }

}  // namespace espalier

void port_stack_paint(void) {
  // An interrupt that switches threads meanwhile saves registers below this frame, and takes them
  // back before this goes on.
  const uint32_t *end = static_cast<const uint32_t *>(__builtin_frame_address(0)) - kPaintMargin;
  for (uint32_t *place = stack_limit() + kMarkWords; place < end; ++place) *place = kPaint;
}

int port_stack_peak_bytes(uint32_t *bytes) {
  const uint32_t *place = stack_limit() + kMarkWords;
  while (place < stack_top() && *place == kPaint) ++place;
  *bytes = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(stack_top()) -
                                 reinterpret_cast<uintptr_t>(place));
  return 1;
}

int port_free_heap_bytes(uint32_t *bytes) {
  mbed_stats_heap_t heap;
  mbed_stats_heap_get(&heap);
  *bytes = heap.reserved_size - heap.current_size - heap.overhead_size;
  return 1;
}

const char *port_reset_reason(void) {
  if (last_crash.happened) return "crash";
  if (reset_reasons & POWER_RESETREAS_DOG_Msk) return "watchdog";
  if (reset_reasons & POWER_RESETREAS_LOCKUP_Msk) return "crash";
  if (reset_reasons & POWER_RESETREAS_RESETPIN_Msk) return "pin";
  if (reset_reasons & POWER_RESETREAS_SREQ_Msk) return "software";
  // The chip does not tell power-on from brownout, and the bootloader may have cleared the rest.
  return reset_reasons == 0 ? "power-on" : "unknown";
}
