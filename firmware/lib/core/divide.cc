#include "divide.h"

namespace espalier {

Quotient divide(uint64_t dividend, uint32_t divisor) {
  uint64_t quotient = 0;
  uint64_t remainder = 0;
  for (int bit = 63; bit >= 0; --bit) {
    remainder = remainder * 2 + ((dividend >> bit) & 1);
    quotient *= 2;
    if (remainder >= divisor) {
      remainder -= divisor;
      quotient += 1;
    }
  }
  return {quotient, static_cast<uint32_t>(remainder)};
}

}  // namespace espalier
