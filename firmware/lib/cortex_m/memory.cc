// Stack and heap. How deep the stack gets: it is painted, and later the first word without paint is
// looked for. A heap there is none.
#include "cortex_m.h"

namespace {

constexpr uint32_t kPaint = 0xC5C5C5C5;
// Words below the painting function's own frame that it leaves alone.
constexpr uint32_t kPaintMargin = 16;

}  // namespace

void port_stack_paint(void) {
  const uint32_t *end = static_cast<const uint32_t *>(__builtin_frame_address(0)) - kPaintMargin;
  for (uint32_t *word = __stack_limit; word < end; ++word) *word = kPaint;
}

int port_stack_peak_bytes(uint32_t *bytes) {
  const uint32_t *word = __stack_limit;
  while (word < __stack_top && *word == kPaint) ++word;
  *bytes = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__stack_top) -
                                 reinterpret_cast<uintptr_t>(word));
  return 1;
}

int port_free_heap_bytes(uint32_t *bytes) {
  *bytes = 0;
  return 0;
}
