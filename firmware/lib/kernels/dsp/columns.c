#include "columns.h"

#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Labels: 1 the next run, 2 the next block, 3 the added block, 4 singles, 5 the next single, 6 the
// end of a run.

// r0 columns, r1 and r2 pixels, r3 runs, r4-r7 a block, r8 from, r9 offsets, r10 runs left, r11
// stride, r12 words, lr blocks left
#define BLOCK_OF_2            \
  "ldr r5, [r1], #4\n"        \
  "ldr r7, [r2], #4\n"        \
  "sxtb16 r4, r5\n"           \
  "sxtb16 r6, r5, ror #8\n"   \
  "sxtb16 r5, r7\n"           \
  "sxtb16 r7, r7, ror #8\n"   \
  "stmia r0!, {r4-r7}\n"

ASSEMBLY_FUNCTION(lay_columns_2,
  "push {r4-r11, lr}\n"
  "mov r3, r1\n"
  "ldmia r1, {r8-r12}\n"
  "1:\n"
  "ldr r1, [r9], #4\n"
  "add r1, r1, r8\n"
  "add r2, r1, r11\n"
  "movs lr, r12\n"
  "beq 3f\n"
  "2:\n"
  BLOCK_OF_2
  "subs lr, lr, #1\n"
  "bne 2b\n"
  "3:\n"
  "ldrd r4, lr, [r3, #20]\n"
  "cbz r4, 4f\n"
  "sub r1, r1, r4\n"
  "sub r2, r2, r4\n"
  BLOCK_OF_2
  "4:\n"
  "cmp lr, #0\n"
  "beq 6f\n"
  "ldr r4, [r3, #28]\n"
  "5:\n"
  "ldrsb r5, [r1], #1\n"
  "ldrsb r6, [r2], #1\n"
  "strh r6, [r4, #4]\n"
  "strh r5, [r4], #2\n"
  "tst r4, #2\n"
  "it eq\n"
  "addeq r4, r4, #4\n"
  "subs lr, lr, #1\n"
  "bne 5b\n"
  "str r4, [r3, #28]\n"
  "6:\n"
  "subs r10, r10, #1\n"
  "bne 1b\n"
  "pop {r4-r11, pc}\n")

// r0 columns, r1-r3 pixels, r4-r9 a block, r10 runs, r11 offsets, r12 a block's bytes, lr blocks
// left; runs left are in the stack
#define BLOCK_OF_3            \
  "ldr r12, [r1], #4\n"       \
  "sxtb16 r4, r12\n"          \
  "sxtb16 r7, r12, ror #8\n"  \
  "ldr r12, [r2], #4\n"       \
  "sxtb16 r5, r12\n"          \
  "sxtb16 r8, r12, ror #8\n"  \
  "ldr r12, [r3], #4\n"       \
  "sxtb16 r6, r12\n"          \
  "sxtb16 r9, r12, ror #8\n"  \
  "stmia r0!, {r4-r9}\n"

ASSEMBLY_FUNCTION(lay_columns_3,
  "push {r4-r11, lr}\n"
  "mov r10, r1\n"
  "ldrd r11, r4, [r1, #4]\n"
  "push {r4}\n"
  "1:\n"
  "ldr r1, [r11], #4\n"
  "ldr r4, [r10]\n"
  "ldrd r5, lr, [r10, #12]\n"
  "add r1, r1, r4\n"
  "add r2, r1, r5\n"
  "add r3, r2, r5\n"
  "cmp lr, #0\n"
  "beq 3f\n"
  "2:\n"
  BLOCK_OF_3
  "subs lr, lr, #1\n"
  "bne 2b\n"
  "3:\n"
  "ldrd r4, lr, [r10, #20]\n"
  "cbz r4, 4f\n"
  "sub r1, r1, r4\n"
  "sub r2, r2, r4\n"
  "sub r3, r3, r4\n"
  BLOCK_OF_3
  "4:\n"
  "cmp lr, #0\n"
  "beq 6f\n"
  "ldr r4, [r10, #28]\n"
  "5:\n"
  "ldrsb r5, [r1], #1\n"
  "ldrsb r6, [r2], #1\n"
  "ldrsb r7, [r3], #1\n"
  "strh r6, [r4, #4]\n"
  "strh r7, [r4, #8]\n"
  "strh r5, [r4], #2\n"
  "tst r4, #2\n"
  "it eq\n"
  "addeq r4, r4, #8\n"
  "subs lr, lr, #1\n"
  "bne 5b\n"
  "str r4, [r10, #28]\n"
  "6:\n"
  "ldr r4, [sp]\n"
  "subs r4, r4, #1\n"
  "str r4, [sp]\n"
  "bne 1b\n"
  "pop {r3-r11, pc}\n")

// r0 column, r1 pixel, r2 blocks left
ASSEMBLY_FUNCTION(lay_column,
  "1:\n"
  "ldr r3, [r1], #4\n"
  "sxtb16 r12, r3\n"
  "sxtb16 r3, r3, ror #8\n"
  "strd r12, r3, [r0], #8\n"
  "subs r2, r2, #1\n"
  "bne 1b\n"
  "bx lr\n")

// clang-format on

#else

static void lay(uint32_t *columns, struct column_runs *runs, int32_t pixels) {
  for (int32_t run = 0; run < runs->count; ++run) {
    const int8_t *from = runs->from + runs->offsets[run];
    int32_t blocks = runs->words + (runs->back != 0);
    for (int32_t block = 0; block < blocks; ++block, from += 4) {
      from -= block == runs->words ? runs->back : 0;
      for (int32_t i = 0; i < pixels; ++i, ++columns) {
        uint32_t bytes = load_word(from + i * runs->stride);
        columns[0] = sxtb16(bytes);
        columns[pixels] = sxtb16_ror8(bytes);
      }
      columns += pixels;
    }
    for (int32_t single = 0; single < runs->singles; ++single, ++from) {
      for (int32_t i = 0; i < pixels; ++i) {
        runs->rest[2 * i] = (uint16_t)from[i * runs->stride];
      }
      ++runs->rest;
      // After both lanes of a word, the pixels' next words.
      runs->rest += (uintptr_t)runs->rest % 4 == 0 ? 2 * (pixels - 1) : 0;
    }
  }
}

void lay_columns_2(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 2); }

void lay_columns_3(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 3); }

void lay_column(uint32_t *column, const int8_t *from, int32_t blocks) {
  for (int32_t i = 0; i < blocks; ++i) {
    uint32_t bytes = load_word(from + 4 * i);
    *column++ = sxtb16(bytes);
    *column++ = sxtb16_ror8(bytes);
  }
}

#endif
