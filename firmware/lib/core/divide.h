// 64-bit division without the compiler's: that would be linked in from its run-time library, and be
// counted as part of the engine.
#ifndef ESPALIER_CORE_DIVIDE_H_
#define ESPALIER_CORE_DIVIDE_H_

#include <stdint.h>

namespace espalier {

struct Quotient {
  uint64_t quotient;
  uint32_t remainder;
};

// `divisor` must not be 0.
Quotient divide(uint64_t dividend, uint32_t divisor);

}  // namespace espalier

#endif  // ESPALIER_CORE_DIVIDE_H_
