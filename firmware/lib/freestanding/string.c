// Compiled with -ffreestanding: otherwise a compiler would see memcpy in memcpy's loop, and call
// it.
#include <stdint.h>
#include <string.h>

#undef memcpy
#undef memmove
#undef memset
#undef memcmp

// A word at any address: the cores of this project load and store unaligned words.
struct __attribute__((packed, may_alias)) word {
  uint32_t value;
};

enum { kWord = sizeof(struct word) };

void *memcpy(void *destination, const void *source, size_t size) {
  uint8_t *to = destination;
  const uint8_t *from = source;
  for (; size >= 4 * kWord; size -= 4 * kWord) {
    const struct word *words = (const struct word *)from;
    const uint32_t a = words[0].value;
    const uint32_t b = words[1].value;
    const uint32_t c = words[2].value;
    const uint32_t d = words[3].value;
    struct word *target = (struct word *)to;
    target[0].value = a;
    target[1].value = b;
    target[2].value = c;
    target[3].value = d;
    from += 4 * kWord;
    to += 4 * kWord;
  }
  for (; size > 0; --size) *to++ = *from++;
  return destination;
}

void *memmove(void *destination, const void *source, size_t size) {
  if ((uintptr_t)destination - (uintptr_t)source >= size) {
    // Forwards is right here even where they overlap: memcpy reads sixteen bytes before it writes
    // them, and writes nothing that it has still to read.
    return memcpy(destination, source, size);
  }
  uint8_t *to = (uint8_t *)destination + size;
  const uint8_t *from = (const uint8_t *)source + size;
  for (; size >= kWord; size -= kWord) {
    from -= kWord;
    to -= kWord;
    ((struct word *)to)->value = ((const struct word *)from)->value;
  }
  for (; size > 0; --size) *--to = *--from;
  return destination;
}

void *memset(void *destination, int value, size_t size) {
  uint8_t *to = destination;
  const uint32_t pattern = (uint8_t)value * 0x01010101u;
  for (; size >= 4 * kWord; size -= 4 * kWord) {
    struct word *target = (struct word *)to;
    target[0].value = pattern;
    target[1].value = pattern;
    target[2].value = pattern;
    target[3].value = pattern;
    to += 4 * kWord;
  }
  for (; size > 0; --size) *to++ = (uint8_t)value;
  return destination;
}

int memcmp(const void *a, const void *b, size_t size) {
  const uint8_t *left = a;
  const uint8_t *right = b;
  for (; size > 0; --size, ++left, ++right) {
    if (*left != *right) return *left - *right;
  }
  return 0;
}

#ifdef __ARM_EABI__
// What Arm compilers call instead; the suffixes promise an alignment that the code above does not
// need. Run-time ABI for the Arm Architecture (IHI 0043), 4.3.4; note the order of memset's
// arguments.
void __aeabi_memcpy(void *destination, const void *source, size_t size);
void __aeabi_memmove(void *destination, const void *source, size_t size);
void __aeabi_memset(void *destination, size_t size, int value);
void __aeabi_memclr(void *destination, size_t size);

void __aeabi_memcpy(void *destination, const void *source, size_t size) {
  memcpy(destination, source, size);
}
void __aeabi_memmove(void *destination, const void *source, size_t size) {
  memmove(destination, source, size);
}
void __aeabi_memset(void *destination, size_t size, int value) { memset(destination, value, size); }
void __aeabi_memclr(void *destination, size_t size) { memset(destination, 0, size); }

#define ALIAS(name, suffix) extern __typeof(name) name##suffix __attribute__((alias(#name)))
ALIAS(__aeabi_memcpy, 4);
ALIAS(__aeabi_memcpy, 8);
ALIAS(__aeabi_memmove, 4);
ALIAS(__aeabi_memmove, 8);
ALIAS(__aeabi_memset, 4);
ALIAS(__aeabi_memset, 8);
ALIAS(__aeabi_memclr, 4);
ALIAS(__aeabi_memclr, 8);
#endif
