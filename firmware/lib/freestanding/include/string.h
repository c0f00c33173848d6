// <string.h> for boards without a C library: only what compilers may call on their own, too.
#ifndef ESPALIER_FREESTANDING_STRING_H_
#define ESPALIER_FREESTANDING_STRING_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *destination, const void *source, size_t size);
void *memmove(void *destination, const void *source, size_t size);
void *memset(void *destination, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#ifdef __cplusplus
}
#endif

// Freestanding compilers take the plain names for functions like any other, and would call one to
// copy a word.
#define memcpy(destination, source, size) __builtin_memcpy(destination, source, size)
#define memmove(destination, source, size) __builtin_memmove(destination, source, size)
#define memset(destination, value, size) __builtin_memset(destination, value, size)
#define memcmp(a, b, size) __builtin_memcmp(a, b, size)

#endif  // ESPALIER_FREESTANDING_STRING_H_
