#include "channel_loop.h"
#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Three pixels: while they are summed up, sums of a hold 16 * a and those of b hold a + 16 * b, then
// 256 * b. Values in r2-r4, weights in r5, 16 * weights of a in r6, two of either in lr: no register
// is left for the end of the columns.
#define HALF_OF_NIBBLES_3(rotated)                                  \
  "ldmia r0!, {r2-r4}\n"                                            \
  "sxtb16 lr, r5" rotated "\n"                                      \
  "smlad r10, r2, lr, r10\n"                                        \
  "smlad r11, r3, lr, r11\n"                                        \
  "smlad r12, r4, lr, r12\n"                                        \
  "sxtb16 lr, r6" rotated "\n"                                      \
  "smlad r7, r2, lr, r7\n"                                          \
  "smlad r8, r3, lr, r8\n"                                          \
  "smlad r9, r4, lr, r9\n"
#define NIBBLES_3                                                   \
  "ldr r5, [r1], #4\n"                                              \
  "and r6, r5, #0x0F0F0F0F\n"                                       \
  "lsl r6, r6, #4\n"                                                \
  HALF_OF_NIBBLES_3("") HALF_OF_NIBBLES_3(", ror #8")

ASSEMBLY_FUNCTION(nibbles_3, ENTER(24, 4)
  "1:\n"
  "ldmia r1!, {r7, r10}\n"
  "mov r8, r7\n"
  "mov r9, r7\n"
  "mov r11, r10\n"
  "mov r12, r10\n"
  "ldr r0, [sp]\n"
  "ldr pc, [sp, #8]\n"
  "2:\n" NIBBLES_3 "3:\n" NIBBLES_3 "4:\n" NIBBLES_3 "5:\n" NIBBLES_3
  "ldr r2, [sp, #4]\n"
  "cmp r0, r2\n"
  "bne 2b\n"
  "rsb r10, r7, r10, lsl #4\n"
  "rsb r11, r8, r11, lsl #4\n"
  "rsb r12, r9, r12, lsl #4\n"
  "asr r7, r7, #4\n"
  "asr r8, r8, #4\n"
  "asr r9, r9, #4\n"
  "ldrd r0, lr, [sp, #12]\n"
  "ldr pc, [sp, #32]\n"
  ADDRESSES("2b + 1, 5b + 1, 4b + 1, 3b + 1"))

// Two pixels: the same, with values in r2-r5, weights in r6, r7 and r12.
#define HALF_OF_NIBBLES_2(x0, x1, rotated)                          \
  "sxtb16 r12, r6" rotated "\n"                                     \
  "smlad r10, " x0 ", r12, r10\n"                                   \
  "smlad r11, " x1 ", r12, r11\n"                                   \
  "sxtb16 r12, r7" rotated "\n"                                     \
  "smlad r8, " x0 ", r12, r8\n"                                     \
  "smlad r9, " x1 ", r12, r9\n"
#define NIBBLES_2                                                   \
  "ldr r6, [r1], #4\n"                                              \
  "ldmia r0!, {r2-r5}\n"                                            \
  "and r7, r6, #0x0F0F0F0F\n"                                       \
  "lsl r7, r7, #4\n"                                                \
  HALF_OF_NIBBLES_2("r2", "r3", "") HALF_OF_NIBBLES_2("r4", "r5", ", ror #8")

ASSEMBLY_FUNCTION(nibbles_2, ENTER(16, 4)
  "1:\n"
  "ldmia r1!, {r8, r10}\n"
  "mov r9, r8\n"
  "mov r11, r10\n"
  "ldrd r0, lr, [sp]\n"
  "ldr pc, [sp, #8]\n"
  "2:\n" NIBBLES_2 "3:\n" NIBBLES_2 "4:\n" NIBBLES_2 "5:\n" NIBBLES_2
  "cmp r0, lr\n"
  "bne 2b\n"
  "rsb r10, r8, r10, lsl #4\n"
  "rsb r11, r9, r11, lsl #4\n"
  "asr r8, r8, #4\n"
  "asr r9, r9, #4\n"
  "ldrd r0, lr, [sp, #12]\n"
  "ldr pc, [sp, #32]\n"
  ADDRESSES("2b + 1, 5b + 1, 4b + 1, 3b + 1"))

// clang-format on

#else

static const int32_t *sum_nibbles(const struct channel_pairs *pairs, const uint32_t *column,
                                  int32_t pixels, const int32_t *stream, int32_t sums[2]) {
  int32_t a = *stream++;
  int32_t both = *stream++;
  for (int32_t i = 0; i < pairs->blocks; ++i, column += 2 * pixels) {
    uint32_t weights = (uint32_t)*stream++;
    uint32_t low = (weights & 0x0F0F0F0Fu) << 4;
    both = smlad(column[0], sxtb16(weights), both);
    a = smlad(column[0], sxtb16(low), a);
    both = smlad(column[pixels], sxtb16_ror8(weights), both);
    a = smlad(column[pixels], sxtb16_ror8(low), a);
  }
  sums[0] = a >> 4;
  sums[1] = (int32_t)(((uint32_t)both << 4) - (uint32_t)a);
  return stream;
}

void nibbles_2(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 2, 2, sum_nibbles, pairs->finish);
}

void nibbles_3(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 3, 3, sum_nibbles, pairs->finish);
}

#endif
