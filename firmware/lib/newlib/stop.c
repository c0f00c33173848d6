// How a program ends that uses newlib on a board without an operating system: by a fault, which
// the port reports on the line before it restarts. Newlib's own functions want system calls.
#include <assert.h>
#include <stdlib.h>

void abort(void) { __builtin_trap(); }

void __assert_func(const char *file, int line, const char *function, const char *condition) {
  (void)file;
  (void)line;
  (void)function;
  (void)condition;
  __builtin_trap();
}
