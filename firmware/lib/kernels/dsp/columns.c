#include "columns.h"

#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// r0 columns, r1-r3 pixels, r12 a block's bytes, lr blocks left
ASSEMBLY_FUNCTION(expand_columns_3,
      "push {r4-r9, lr}\n"
      "mov lr, r3\n"
      "add r3, r1, r2, lsl #1\n"
      "add r2, r1, r2\n"
      "1:\n"
      "ldr r12, [r1], #4\n"
      "sxtb16 r4, r12\n"
      "sxtb16 r7, r12, ror #8\n"
      "ldr r12, [r2], #4\n"
      "sxtb16 r5, r12\n"
      "sxtb16 r8, r12, ror #8\n"
      "ldr r12, [r3], #4\n"
      "sxtb16 r6, r12\n"
      "sxtb16 r9, r12, ror #8\n"
      "stmia r0!, {r4-r9}\n"
      "subs lr, lr, #1\n"
      "bne 1b\n"
      "pop {r4-r9, pc}\n")

// r0 columns, r1 and r2 pixels, r3 blocks left
ASSEMBLY_FUNCTION(expand_columns_2,
      "push {r4-r7, lr}\n"
      "add r2, r1, r2\n"
      "1:\n"
      "ldr r5, [r1], #4\n"
      "ldr r7, [r2], #4\n"
      "sxtb16 r4, r5\n"
      "sxtb16 r6, r5, ror #8\n"
      "sxtb16 r5, r7\n"
      "sxtb16 r7, r7, ror #8\n"
      "stmia r0!, {r4-r7}\n"
      "subs r3, r3, #1\n"
      "bne 1b\n"
      "pop {r4-r7, pc}\n")

// r0 columns, r1 pixel, r3 blocks left
ASSEMBLY_FUNCTION(expand_columns_1,
      "1:\n"
      "ldr r2, [r1], #4\n"
      "sxtb16 r12, r2\n"
      "sxtb16 r2, r2, ror #8\n"
      "strd r12, r2, [r0], #8\n"
      "subs r3, r3, #1\n"
      "bne 1b\n"
      "bx lr\n")

// clang-format on

#else

static uint32_t *expand(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks,
                        int32_t pixels) {
  for (int32_t block = 0; block < blocks; ++block, from += 4) {
    for (int32_t i = 0; i < pixels; ++i, ++columns) {
      uint32_t bytes = load_word(from + i * stride);
      columns[0] = sxtb16(bytes);
      columns[pixels] = sxtb16_ror8(bytes);
    }
    columns += pixels;
  }
  return columns;
}

uint32_t *expand_columns_1(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks) {
  return expand(columns, from, stride, blocks, 1);
}

uint32_t *expand_columns_3(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks) {
  return expand(columns, from, stride, blocks, 3);
}

uint32_t *expand_columns_2(uint32_t *columns, const int8_t *from, int32_t stride, int32_t blocks) {
  return expand(columns, from, stride, blocks, 2);
}

#endif
