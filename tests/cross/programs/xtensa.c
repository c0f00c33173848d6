// Start, print() and the end on QEMU's machine `sim`, by its simulator calls; and what libgcc
// lacks.
#include <stdint.h>

enum { kExit = 1, kWrite = 4 };

int main(void);

// The machine starts at the first byte of its ROM, without a stack.
__asm__(
    ".section .start, \"ax\"\n"
    ".global _start\n"
    "_start: j 1f\n"
    ".align 4\n"
    ".literal_position\n"
    "1: movi sp, __stack_top\n"
    "movi a0, xtensa_main\n"
    "jx a0\n"
    ".text\n");

static int simulator_call(int number, int first, const void *second, int third) {
  register int a2 __asm__("a2") = number;
  register int a3 __asm__("a3") = first;
  register const void *a4 __asm__("a4") = second;
  register int a5 __asm__("a5") = third;
  __asm__ volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
  return a2;
}

void print(const char *text, unsigned size) { simulator_call(kWrite, 1, text, (int)size); }

void xtensa_main(void) {
  simulator_call(kExit, main(), 0, 0);
  for (;;) {
  }
}

// 64-bit product from halves of 16 bits.
int64_t __muldi3(int64_t a, int64_t b) {
  const uint32_t a_low = (uint32_t)a, b_low = (uint32_t)b;
  const uint32_t a0 = a_low & 0xFFFF, a1 = a_low >> 16;
  const uint32_t b0 = b_low & 0xFFFF, b1 = b_low >> 16;
  const uint32_t low = a0 * b0;
  const uint32_t middle = a1 * b0 + (low >> 16);
  const uint32_t other = a0 * b1 + (middle & 0xFFFF);
  uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
  high += a_low * (uint32_t)((uint64_t)b >> 32) + b_low * (uint32_t)((uint64_t)a >> 32);
  return (int64_t)((uint64_t)high << 32 | ((other << 16) | (low & 0xFFFF)));
}

// The chip that this libgcc is made for has division in its ROM.
uint32_t __udivsi3(uint32_t dividend, uint32_t divisor) {
  uint32_t quotient = 0, remainder = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t carry = remainder >> 31;
    remainder = remainder << 1 | (dividend >> bit & 1);
    if (carry || remainder >= divisor) {
      remainder -= divisor;
      quotient |= 1u << bit;
    }
  }
  return quotient;
}

uint32_t __umodsi3(uint32_t dividend, uint32_t divisor) {
  return dividend - __udivsi3(dividend, divisor) * divisor;
}

int32_t __divsi3(int32_t dividend, int32_t divisor) {
  const uint32_t sign = dividend < 0 ? ~0u : 0, other = divisor < 0 ? ~0u : 0;
  const uint32_t quotient =
      __udivsi3(((uint32_t)dividend ^ sign) - sign, ((uint32_t)divisor ^ other) - other);
  return (int32_t)((quotient ^ sign ^ other) - (sign ^ other));
}

int32_t __modsi3(int32_t dividend, int32_t divisor) {
  return (int32_t)((uint32_t)dividend - (uint32_t)__divsi3(dividend, divisor) * (uint32_t)divisor);
}
