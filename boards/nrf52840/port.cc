// Nordic nRF52840 without an operating system: UARTE 0, the core's cycle counter, no interrupts.
//
// Sources: nRF52840 Product Specification for CLOCK, POWER, NVMC, GPIO and UARTE; Arm DDI 0403
// (ARMv7-M) for the cycle counter.
#include "cortex_m.h"

namespace {

using cortex_m::reg;

constexpr uint32_t kClockHz = 64000000;

constexpr uint32_t kHfclkStart = 0x40000000;
constexpr uint32_t kHfclkStarted = 0x40000100;
// The crystal takes a fraction of a millisecond; without one the RC oscillator goes on, which may
// be too far off for the line.
constexpr int kMaxCrystalPolls = 100000;

constexpr uint32_t kResetReasons = 0x40000400;
constexpr uint32_t kResetPin = 1u << 0;
constexpr uint32_t kResetWatchdog = 1u << 1;
constexpr uint32_t kResetSoftware = 1u << 2;
constexpr uint32_t kResetLockup = 1u << 3;

constexpr uint32_t kInstructionCache = 0x4001E540;
constexpr uint32_t kCacheEnable = 1u << 0;

// Serial line of the development kit, towards the USB port of its debugger: P0.06 and P0.08.
constexpr uint32_t kTxPin = 6;
constexpr uint32_t kRxPin = 8;
constexpr uint32_t kPort0OutSet = 0x50000508;
constexpr uint32_t kPort0DirSet = 0x50000518;
constexpr uint32_t kPort0PinConfig = 0x50000700;
constexpr uint32_t kInputWithPullUp = 3u << 2;

constexpr uint32_t kUarte = 0x40002000;
constexpr uint32_t kStartRx = kUarte + 0x000;
constexpr uint32_t kStartTx = kUarte + 0x008;
constexpr uint32_t kRxEnded = kUarte + 0x110;
constexpr uint32_t kTxEnded = kUarte + 0x120;
constexpr uint32_t kEnable = kUarte + 0x500;
constexpr uint32_t kSelectRts = kUarte + 0x508;
constexpr uint32_t kSelectTx = kUarte + 0x50C;
constexpr uint32_t kSelectCts = kUarte + 0x510;
constexpr uint32_t kSelectRx = kUarte + 0x514;
constexpr uint32_t kBaudRate = kUarte + 0x524;
constexpr uint32_t kRxPointer = kUarte + 0x534;
constexpr uint32_t kRxCapacity = kUarte + 0x538;
constexpr uint32_t kTxPointer = kUarte + 0x544;
constexpr uint32_t kTxSize = kUarte + 0x548;
constexpr uint32_t kConfig = kUarte + 0x56C;
constexpr uint32_t kEnabled = 8;
constexpr uint32_t kNotConnected = 0xFFFFFFFF;
constexpr uint32_t kBaud115200 = 0x01D60000;
constexpr uint32_t k8N1WithoutFlowControl = 0;

constexpr uint32_t kDebugControl = 0xE000EDFC;
constexpr uint32_t kTraceEnable = 1u << 24;
constexpr uint32_t kCycleControl = 0xE0001000;
constexpr uint32_t kCycleCount = 0xE0001004;
constexpr uint32_t kCycleCountEnable = 1u << 0;

// Where the UARTE's EasyDMA reads and writes; it reaches RAM only.
uint8_t sent_chunk[64];
volatile uint8_t received_byte;

uint64_t ticks_before;  // extends the counter to 64 bits
uint32_t last_count;
uint32_t reset_reasons;
bool has_crashed;

// What the CPU wrote is in RAM before the DMA is told to read, and the other way round.
void order_with_dma() { __asm__ volatile("dmb" ::: "memory"); }

void start_crystal() {
  *reg(kHfclkStarted) = 0;
  *reg(kHfclkStart) = 1;
  for (int polls = 0; polls < kMaxCrystalPolls && *reg(kHfclkStarted) == 0; ++polls) {
  }
}

void start_receiving() {
  *reg(kRxEnded) = 0;
  order_with_dma();
  *reg(kStartRx) = 1;
}

void start_uarte() {
  // The idle level first: a line that starts low would be taken for a byte.
  *reg(kPort0OutSet) = 1u << kTxPin;
  *reg(kPort0DirSet) = 1u << kTxPin;
  *reg(kPort0PinConfig + 4 * kRxPin) = kInputWithPullUp;
  *reg(kSelectTx) = kTxPin;
  *reg(kSelectRx) = kRxPin;
  *reg(kSelectRts) = kNotConnected;
  *reg(kSelectCts) = kNotConnected;
  *reg(kBaudRate) = kBaud115200;
  *reg(kConfig) = k8N1WithoutFlowControl;
  *reg(kEnable) = kEnabled;
  *reg(kRxPointer) = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&received_byte));
  *reg(kRxCapacity) = 1;
  *reg(kTxPointer) = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(sent_chunk));
  start_receiving();
}

}  // namespace

void port_init(void) {
  // The register collects reasons until somebody clears them, by ones.
  reset_reasons = *reg(kResetReasons);
  *reg(kResetReasons) = reset_reasons;
  has_crashed = cortex_m::take_crash();
  *reg(kInstructionCache) = kCacheEnable;
  start_crystal();
  start_uarte();
  *reg(kDebugControl) = *reg(kDebugControl) | kTraceEnable;
  *reg(kCycleCount) = 0;
  *reg(kCycleControl) = *reg(kCycleControl) | kCycleCountEnable;
  last_count = *reg(kCycleCount);
  ticks_before = 0;
}

// Not inlined: measurements begin and end at the same instruction of it, so that nothing of it is
// counted twice or lost.
__attribute__((noinline)) uint64_t port_ticks(void) {
  const uint32_t count = *reg(kCycleCount);
  ticks_before += count - last_count;
  last_count = count;
  return ticks_before;
}

uint64_t port_ticks_at_edge(void) { return port_ticks(); }  // a tick is one cycle of the core

uint32_t port_ticks_per_second(void) { return kClockHz; }

const char *port_clock(void) { return "cycle-counter"; }

size_t port_read(uint8_t *data, size_t capacity) {
  // Between two bytes the UARTE itself has room for some.
  size_t size = 0;
  while (size < capacity && *reg(kRxEnded) != 0) {
    order_with_dma();
    data[size++] = received_byte;
    start_receiving();
  }
  return size;
}

void port_write(const uint8_t *data, size_t size) {
  while (size > 0) {
    size_t chunk = 0;
    for (; chunk < sizeof sent_chunk && chunk < size; ++chunk) sent_chunk[chunk] = data[chunk];
    *reg(kTxSize) = static_cast<uint32_t>(chunk);
    *reg(kTxEnded) = 0;
    order_with_dma();
    *reg(kStartTx) = 1;
    while (*reg(kTxEnded) == 0) {
    }
    data += chunk;
    size -= chunk;
  }
}

const char *port_reset_reason(void) {
  if (has_crashed || (reset_reasons & kResetLockup)) return "crash";
  if (reset_reasons & kResetWatchdog) return "watchdog";
  if (reset_reasons & kResetSoftware) return "software";
  if (reset_reasons & kResetPin) return "pin";
  return reset_reasons == 0 ? "power-on" : "unknown";
}
