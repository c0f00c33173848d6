// A 64-bit clock from a cycle counter of 32 bits.
#ifndef ESPALIER_ARDUINO_CYCLE_CLOCK_H_
#define ESPALIER_ARDUINO_CYCLE_CLOCK_H_

#include <stdint.h>

namespace espalier {

// At 240 MHz a counter of 32 bits wraps every 18 s, and a slow model may compute for longer than
// that between two looks at it. The microseconds that passed tell how often it has wrapped.
class CycleClock {
 public:
  void start(uint32_t cycles, uint32_t microseconds, uint32_t cycles_per_microsecond) {
    cycles_ = cycles;
    microseconds_ = microseconds;
    rate_ = cycles_per_microsecond;
    total_ = 0;
  }

  // Cycles since start. Both counters may wrap; somebody must call this once in 71 minutes.
  uint64_t now(uint32_t cycles, uint32_t microseconds) {
    const uint32_t low = cycles - cycles_;
    const uint64_t expected = static_cast<uint64_t>(microseconds - microseconds_) * rate_;
    // To the nearest: the two counters are not read at the same moment.
    const uint64_t half = UINT64_C(1) << 31;
    const uint64_t wraps = expected > low ? (expected - low + half) >> 32 : 0;
    cycles_ = cycles;
    microseconds_ = microseconds;
    total_ += low + (wraps << 32);
    return total_;
  }

 private:
  uint32_t cycles_ = 0;
  uint32_t microseconds_ = 0;
  uint32_t rate_ = 1;
  uint64_t total_ = 0;
};

}  // namespace espalier

#endif  // ESPALIER_ARDUINO_CYCLE_CLOCK_H_
