// Drives CycleClock by hand: reads lines "rate", then "cycles microseconds", prints the sums.
#include <stdio.h>

#include "cycle_clock.h"

int main() {
  unsigned long cycles, microseconds, rate;
  if (scanf("%lu %lu %lu", &rate, &cycles, &microseconds) != 3) return 1;
  espalier::CycleClock clock;
  clock.start(static_cast<uint32_t>(cycles), static_cast<uint32_t>(microseconds),
              static_cast<uint32_t>(rate));
  while (scanf("%lu %lu", &cycles, &microseconds) == 2) {
    printf("%llu\n", static_cast<unsigned long long>(clock.now(
                         static_cast<uint32_t>(cycles), static_cast<uint32_t>(microseconds))));
  }
}
