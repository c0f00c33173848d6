#include "columns.h"

#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Labels: 0 the next group, 1 the next run, 2 the next block, 3 the added block, 4 singles, 5 the
// next single, 6 the end of a run.

// Where the rest of a group's columns is, and the next group; "runs" is their register.
#define GROUP_BEGINS(runs)                \
  "ldrd r4, r5, [" runs ", #32]\n"        \
  "add r4, r4, r0\n"                      \
  "add r5, r5, r0\n"                      \
  "strd r4, r5, [" runs ", #40]\n"
#define GROUP_ENDS(runs, advance)         \
  "ldr r0, [" runs ", #44]\n"             \
  "ldr r4, [" runs "]\n"                  \
  "ldr r5, [" runs ", #12]\n"             \
  "ldr r6, [" runs ", #20]\n"             \
  "add r4, r4, r5, lsl #1\n" advance      \
  "subs r6, r6, #1\n"                     \
  "str r4, [" runs "]\n"                  \
  "str r6, [" runs ", #20]\n"             \
  "bne 0b\n"

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
  "0:\n"
  "ldmia r3, {r8-r12}\n"
  GROUP_BEGINS("r3")
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
  "ldrd r4, lr, [r3, #24]\n"
  "cbz r4, 4f\n"
  "sub r1, r1, r4\n"
  "sub r2, r2, r4\n"
  BLOCK_OF_2
  "4:\n"
  "cmp lr, #0\n"
  "beq 6f\n"
  "ldr r4, [r3, #40]\n"
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
  "str r4, [r3, #40]\n"
  "6:\n"
  "subs r10, r10, #1\n"
  "bne 1b\n"
  GROUP_ENDS("r3", "")
  "pop {r4-r11, pc}\n")

// r0 columns, r1-r3 pixels, r4-r9 a block, r10 runs, r11 offsets, r12 a block's bytes, lr blocks
// left; in the stack runs left
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
  "push {r3-r11, lr}\n"
  "mov r10, r1\n"
  "0:\n"
  "ldrd r11, r6, [r10, #4]\n"
  GROUP_BEGINS("r10")
  "1:\n"
  "str r6, [sp]\n"
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
  "ldrd r4, lr, [r10, #24]\n"
  "cbz r4, 4f\n"
  "sub r1, r1, r4\n"
  "sub r2, r2, r4\n"
  "sub r3, r3, r4\n"
  BLOCK_OF_3
  "4:\n"
  "cmp lr, #0\n"
  "beq 6f\n"
  "ldr r4, [r10, #40]\n"
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
  "str r4, [r10, #40]\n"
  "6:\n"
  "ldr r6, [sp]\n"
  "subs r6, r6, #1\n"
  "bne 1b\n"
  GROUP_ENDS("r10", "add r4, r4, r5\n")
  "pop {r3-r11, pc}\n")

// r0 columns, r1 first pixel, r2 stride, r3 three times that, r4 and up a block. Stack: runs 0,
// offsets 4, runs left 8, blocks left 12, back 16.
#define LAY_SLIDING(block, advance)  \
  "push {r4-r11, lr}\n"              \
  "sub sp, sp, #20\n"                \
  "str r1, [sp]\n"                   \
  "0:\n"                             \
  "ldr r12, [sp]\n"                  \
  "ldrd r4, r5, [r12, #4]\n"         \
  "1:\n"                             \
  "str r5, [sp, #8]\n"               \
  "ldr r6, [r4], #4\n"               \
  "str r4, [sp, #4]\n"               \
  "ldr r1, [r12]\n"                  \
  "add r1, r1, r6\n"                 \
  "ldrd r2, r4, [r12, #12]\n"        \
  "ldr r5, [r12, #24]\n"             \
  "add r3, r2, r2, lsl #1\n"         \
  "strd r4, r5, [sp, #12]\n"         \
  "2:\n"                             \
  block                              \
  "ldr r4, [sp, #12]\n"              \
  "add r1, r1, #4\n"                 \
  "subs r4, r4, #1\n"                \
  "str r4, [sp, #12]\n"              \
  "bne 2b\n"                         \
  "ldr r4, [sp, #16]\n"              \
  "cbz r4, 6f\n"                     \
  "sub r1, r1, r4\n"                 \
  "mov r4, #1\n"                     \
  "mov r5, #0\n"                     \
  "strd r4, r5, [sp, #12]\n"         \
  "b 2b\n"                           \
  "6:\n"                             \
  "ldr r12, [sp]\n"                  \
  "ldrd r4, r5, [sp, #4]\n"          \
  "subs r5, r5, #1\n"                \
  "bne 1b\n"                         \
  "ldr r4, [r12]\n"                  \
  "ldr r5, [r12, #20]\n"             \
  "add r4, r4, " advance "\n"        \
  "subs r5, r5, #1\n"                \
  "str r4, [r12]\n"                  \
  "str r5, [r12, #20]\n"             \
  "bne 0b\n"                         \
  "add sp, sp, #20\n"                \
  "pop {r4-r11, pc}\n"

ASSEMBLY_FUNCTION(lay_sliding_2,
  LAY_SLIDING(
    "ldr r4, [r1]\n"
    "ldr r5, [r1, r2]\n"
    "ldr r6, [r1, r2, lsl #1]\n"
    "ldr r7, [r1, r3]\n"
    "sxtb16 r8, r4, ror #8\n"
    "sxtb16 r9, r5, ror #8\n"
    "sxtb16 r10, r6, ror #8\n"
    "sxtb16 r11, r7, ror #8\n"
    "sxtb16 r4, r4\n"
    "sxtb16 r5, r5\n"
    "sxtb16 r6, r6\n"
    "sxtb16 r7, r7\n"
    "stmia r0!, {r4-r11}\n",
    "r2, lsl #1"))

ASSEMBLY_FUNCTION(lay_sliding_3,
  LAY_SLIDING(
    "ldr r4, [r1]\n"
    "ldr r5, [r1, r2]\n"
    "ldr r6, [r1, r2, lsl #1]\n"
    "ldr r7, [r1, r3]\n"
    "ldr r8, [r1, r2, lsl #2]\n"
    "sxtb16 r9, r4, ror #8\n"
    "sxtb16 r10, r5, ror #8\n"
    "sxtb16 r11, r6, ror #8\n"
    "sxtb16 r12, r7, ror #8\n"
    "sxtb16 lr, r8, ror #8\n"
    "sxtb16 r4, r4\n"
    "sxtb16 r5, r5\n"
    "sxtb16 r6, r6\n"
    "sxtb16 r7, r7\n"
    "sxtb16 r8, r8\n"
    "stmia r0!, {r4-r12, lr}\n",
    "r3"))

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

// Lays groups of `pixels` pixels, of which the next one begins `advance` pixels behind.
static void lay(uint32_t *columns, struct column_runs *runs, int32_t pixels, int32_t advance) {
  const int8_t *pixel = runs->from;
  for (int32_t group = 0; group < runs->groups; ++group, pixel += advance * runs->stride) {
    uint32_t *to = columns;
    uint32_t *rest = columns + runs->rest_bytes / 4;
    int32_t lane = 0;
    for (int32_t run = 0; run < runs->count; ++run) {
      const int8_t *from = pixel + runs->offsets[run];
      for (int32_t block = 0; block < runs->words + (runs->back != 0); ++block, from += 4) {
        from -= block == runs->words ? runs->back : 0;
        for (int32_t i = 0; i < pixels; ++i, ++to) {
          uint32_t bytes = load_word(from + i * runs->stride);
          to[0] = sxtb16(bytes);
          to[pixels] = sxtb16_ror8(bytes);
        }
        to += pixels;
      }
      for (int32_t single = 0; single < runs->singles; ++single, ++from, ++lane) {
        for (int32_t i = 0; i < pixels; ++i) {
          uint8_t *word = (uint8_t *)(rest + lane / 2 * pixels + i);
          store_half(word + lane % 2 * 2, (uint32_t)from[i * runs->stride]);
        }
      }
    }
    columns += runs->group_bytes / 4;
  }
}

void lay_columns_2(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 2, 2); }

void lay_columns_3(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 3, 3); }

void lay_sliding_2(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 4, 2); }

void lay_sliding_3(uint32_t *columns, struct column_runs *runs) { lay(columns, runs, 5, 3); }

void lay_column(uint32_t *column, const int8_t *from, int32_t blocks) {
  for (int32_t i = 0; i < blocks; ++i) {
    uint32_t bytes = load_word(from + 4 * i);
    *column++ = sxtb16(bytes);
    *column++ = sxtb16_ror8(bytes);
  }
}

#endif
