#include "channel_pairs.h"

#include "channel_loop.h"
#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Whole functions, because compilers run out of registers in these loops. A loop sums up a pair of
// channels and jumps to what finishes the pair, which jumps back or leaves.
//
// Registers and stack: see channel_loop.h.
//
// Labels: 1 the next pair, 2 to 5 (10 to 17) the blocks, 6 channel b, 7 the end of a group, 8 the
// last pair's channel b, 9 the addresses of 1 and of the blocks, 99 the end.

// To the next pair by `again`, of the same group or of the next, whose columns begin where these
// end. Channel b of the last pair is left out where it is odd; the flag N, which says that it is the
// last, has to survive.
#define LEAVE(output_of_next, again)                                \
  "str r0, [sp, #12]\n"                                             \
  again                                                             \
  "7:\n"                                                            \
  "ldr r2, [sp, #24]\n"                                             \
  "subs r2, r2, #1\n"                                               \
  "beq 99f\n"                                                       \
  "str r2, [sp, #24]\n"                                             \
  "ldrd r2, r3, [sp]\n"                                             \
  "rsb r2, r2, r3, lsl #1\n"                                        \
  "strd r3, r2, [sp]\n"                                             \
  "ldr r2, [sp, #16]\n"                                             \
  "add r0, r0, " output_of_next "\n"                                \
  "str r0, [sp, #12]\n"                                             \
  "ldr r1, [sp, #28]\n"                                             \
  "ldr pc, [sp, #36]\n"                                             \
  "8:\n"                                                            \
  "ldr r2, [sp, #20]\n"                                             \
  "cmp r2, #1\n"                                                    \
  "bne 6b\n"                                                        \
  "b 7b\n"                                                          \
  "99:\n"                                                           \
  "add sp, sp, #40\n"                                               \
  "pop {r4-r11, pc}\n"

#define NEXT_PAIR                                                   \
  "bmi 7f\n"                                                        \
  "ldr pc, [sp, #36]\n"

#define NEXT_CHANNEL                                                \
  "asrs r4, r4, #8\n"                                               \
  "bmi 8f\n"                                                        \
  "6:\n"

// Bytes: a loop over blocks, at least one.
#define LOOP(block)                                                 \
  "2:\n" block "3:\n" block "4:\n" block "5:\n" block               \
  "cmp r0, lr\n"                                                    \
  "bne 2b\n"
#define LOOP_ADDRESSES ADDRESSES("2b + 1, 5b + 1, 4b + 1, 3b + 1")

// Three pixels: while they are summed up, those of b hold a + 256 * b, then 256 * b; values in r2-r4.
#define HALF_BLOCK_3(weights)                                       \
  "ldmia r0!, {r2-r4}\n"                                            \
  "smlad r10, r2, " weights ", r10\n"                               \
  "smlad r11, r3, " weights ", r11\n"                               \
  "smlad r12, r4, " weights ", r12\n"                               \
  "sxtb16 " weights ", " weights "\n"                               \
  "smlad r7, r2, " weights ", r7\n"                                 \
  "smlad r8, r3, " weights ", r8\n"                                 \
  "smlad r9, r4, " weights ", r9\n"
#define BLOCK_3 "ldmia r1!, {r5, r6}\n" HALF_BLOCK_3("r5") HALF_BLOCK_3("r6")
#define BYTES_3                                                     \
  "1:\n"                                                            \
  "ldmia r1!, {r7, r10}\n"                                          \
  "mov r8, r7\n"                                                    \
  "mov r9, r7\n"                                                    \
  "mov r11, r10\n"                                                  \
  "mov r12, r10\n"                                                  \
  "ldrd r0, lr, [sp]\n"                                             \
  "ldr pc, [sp, #8]\n"                                              \
  LOOP(BLOCK_3)                                                     \
  "sub r10, r10, r7\n"                                              \
  "sub r11, r11, r8\n"                                              \
  "sub r12, r12, r9\n"                                              \
  "ldrd r0, lr, [sp, #12]\n"                                        \
  "ldr pc, [sp, #32]\n"

// Two pixels: the same, with values in r2-r5.
#define BLOCK_2                                                     \
  "ldmia r1!, {r6, r7}\n"                                           \
  "ldmia r0!, {r2-r5}\n"                                            \
  "smlad r10, r2, r6, r10\n"                                        \
  "smlad r11, r3, r6, r11\n"                                        \
  "sxtb16 r6, r6\n"                                                 \
  "smlad r8, r2, r6, r8\n"                                          \
  "smlad r9, r3, r6, r9\n"                                          \
  "smlad r10, r4, r7, r10\n"                                        \
  "smlad r11, r5, r7, r11\n"                                        \
  "sxtb16 r7, r7\n"                                                 \
  "smlad r8, r4, r7, r8\n"                                          \
  "smlad r9, r5, r7, r9\n"
#define BYTES_2                                                     \
  "1:\n"                                                            \
  "ldmia r1!, {r8, r10}\n"                                          \
  "mov r9, r8\n"                                                    \
  "mov r11, r10\n"                                                  \
  "ldrd r0, lr, [sp]\n"                                             \
  "ldr pc, [sp, #8]\n"                                              \
  LOOP(BLOCK_2)                                                     \
  "sub r10, r10, r8\n"                                              \
  "sub r11, r11, r9\n"                                              \
  "ldrd r0, lr, [sp, #12]\n"                                        \
  "ldr pc, [sp, #32]\n"

#define FLOOR_A(sum, to)                                            \
  "lsl " sum ", " sum ", r4\n"                                      \
  "smmla " sum ", " sum ", r2, r3\n"                                \
  "ssat " sum ", #8, " sum ", asr #14\n"                            \
  "strb " sum ", " to "\n"
#define FLOOR_B(sum, to)                                            \
  "smmla " sum ", " sum ", r5, r6\n"                                \
  "asr " sum ", " sum ", r4\n"                                      \
  "ssat " sum ", #8, " sum "\n"                                     \
  "strb " sum ", " to "\n"
// `double`: what makes twice the sum of what the register holds.
#define NEAREST(sum, double, to)                                    \
  "add r5, r3, " sum ", asr #31\n"                                  \
  double "\n"                                                       \
  "smmlar " sum ", " sum ", r2, r5\n"                               \
  "asr " sum ", " sum ", r4\n"                                      \
  "ssat " sum ", #8, " sum "\n"                                     \
  "strb " sum ", " to "\n"
#define NEAREST_A(sum, to) NEAREST(sum, "lsl " sum ", " sum ", #1", to)
#define NEAREST_B(sum, to) NEAREST(sum, "asr " sum ", " sum ", #7", to)

// Sliding, three windows: as above, with the values of five pixels in r2-r4, then also where the first
// of them and its weights were; weights in r5, r6 and lr. No register is left for the end of the
// columns.
#define TAP_3(x0, x1, x2, weights)                                  \
  "smlad r10, " x0 ", " weights ", r10\n"                           \
  "smlad r11, " x1 ", " weights ", r11\n"                           \
  "smlad r12, " x2 ", " weights ", r12\n"                           \
  "sxtb16 " weights ", " weights "\n"                               \
  "smlad r7, " x0 ", " weights ", r7\n"                             \
  "smlad r8, " x1 ", " weights ", r8\n"                             \
  "smlad r9, " x2 ", " weights ", r9\n"
#define TAPS_3                                                      \
  "ldmia r0!, {r2-r4}\n"                                            \
  "ldmia r1!, {r5, r6, lr}\n"                                       \
  TAP_3("r2", "r3", "r4", "r5")                                     \
  "ldmia r0!, {r2, r5}\n"                                           \
  TAP_3("r3", "r4", "r2", "r6")                                     \
  TAP_3("r4", "r2", "r5", "lr")
#define SLIDING_3                                                   \
  "1:\n"                                                            \
  "ldmia r1!, {r7, r10}\n"                                          \
  "mov r8, r7\n"                                                    \
  "mov r9, r7\n"                                                    \
  "mov r11, r10\n"                                                  \
  "mov r12, r10\n"                                                  \
  "ldr r0, [sp]\n"                                                  \
  "ldr pc, [sp, #8]\n"                                              \
  "2:\n" TAPS_3 TAPS_3 "3:\n" TAPS_3 TAPS_3                         \
  "ldr r2, [sp, #4]\n"                                              \
  "cmp r0, r2\n"                                                    \
  "bne 2b\n"                                                        \
  "sub r10, r10, r7\n"                                              \
  "sub r11, r11, r8\n"                                              \
  "sub r12, r12, r9\n"                                              \
  "ldrd r0, lr, [sp, #12]\n"                                        \
  "ldr pc, [sp, #32]\n"

// Sliding, two windows: as for two pixels, with the values of four in r2-r5; weights in r6, r7 and
// r12.
#define TAP_2(x0, x1, weights)                                      \
  "smlad r10, " x0 ", " weights ", r10\n"                           \
  "smlad r11, " x1 ", " weights ", r11\n"                           \
  "sxtb16 " weights ", " weights "\n"                               \
  "smlad r8, " x0 ", " weights ", r8\n"                             \
  "smlad r9, " x1 ", " weights ", r9\n"
#define TAPS_2                                                      \
  "ldmia r0!, {r2-r5}\n"                                            \
  "ldmia r1!, {r6, r7, r12}\n"                                      \
  TAP_2("r2", "r3", "r6")                                           \
  TAP_2("r3", "r4", "r7")                                           \
  TAP_2("r4", "r5", "r12")
#define SLIDING_2                                                   \
  "1:\n"                                                            \
  "ldmia r1!, {r8, r10}\n"                                          \
  "mov r9, r8\n"                                                    \
  "mov r11, r10\n"                                                  \
  "ldrd r0, lr, [sp]\n"                                             \
  "ldr pc, [sp, #8]\n"                                              \
  "2:\n" TAPS_2 TAPS_2 "3:\n" TAPS_2 TAPS_2                         \
  "cmp r0, lr\n"                                                    \
  "bne 2b\n"                                                        \
  "sub r10, r10, r8\n"                                              \
  "sub r11, r11, r9\n"                                              \
  "ldrd r0, lr, [sp, #12]\n"                                        \
  "ldr pc, [sp, #32]\n"
#define SLIDING_ADDRESSES ADDRESSES("2b + 1, 3b + 1")

ASSEMBLY_FUNCTION(bytes_3, ENTER(24, 4) BYTES_3 LOOP_ADDRESSES)
ASSEMBLY_FUNCTION(bytes_2, ENTER(16, 4) BYTES_2 LOOP_ADDRESSES)
ASSEMBLY_FUNCTION(sliding_3, ENTER(40, 2) SLIDING_3 SLIDING_ADDRESSES)
ASSEMBLY_FUNCTION(sliding_2, ENTER(32, 2) SLIDING_2 SLIDING_ADDRESSES)

ASSEMBLY_FUNCTION(floor_3,
  "ldmia r1!, {r2-r6}\n"
  FLOOR_A("r8", "[r0, lr]") FLOOR_A("r9", "[r0, lr, lsl #1]") FLOOR_A("r7", "[r0], #1")
  NEXT_CHANNEL
  FLOOR_B("r11", "[r0, lr]") FLOOR_B("r12", "[r0, lr, lsl #1]") FLOOR_B("r10", "[r0], #1")
  LEAVE("r2, lsl #1", NEXT_PAIR))

ASSEMBLY_FUNCTION(floor_2,
  "ldmia r1!, {r2-r6}\n"
  FLOOR_A("r9", "[r0, lr]") FLOOR_A("r8", "[r0], #1")
  NEXT_CHANNEL
  FLOOR_B("r11", "[r0, lr]") FLOOR_B("r10", "[r0], #1")
  LEAVE("r2", NEXT_PAIR))

ASSEMBLY_FUNCTION(nearest_3,
  "ldmia r1!, {r2-r4}\n"
  NEAREST_A("r8", "[r0, lr]") NEAREST_A("r9", "[r0, lr, lsl #1]") NEAREST_A("r7", "[r0], #1")
  NEXT_CHANNEL
  "ldmia r1!, {r2, r3}\n"
  NEAREST_B("r11", "[r0, lr]") NEAREST_B("r12", "[r0, lr, lsl #1]") NEAREST_B("r10", "[r0], #1")
  LEAVE("r2, lsl #1", NEXT_PAIR))

ASSEMBLY_FUNCTION(nearest_2,
  "ldmia r1!, {r2-r4}\n"
  NEAREST_A("r9", "[r0, lr]") NEAREST_A("r8", "[r0], #1")
  NEXT_CHANNEL
  "ldmia r1!, {r2, r3}\n"
  NEAREST_B("r11", "[r0, lr]") NEAREST_B("r10", "[r0], #1")
  LEAVE("r2", NEXT_PAIR))

// Halves, two pixels: sums of a in r10 and r11, of b in r12 and lr; values in r2-r5, weights in
// r6-r9. No register is left for the end of a loop: there is none, but eight blocks.
#define BLOCK_OF_HALVES                                             \
  "ldmia r0!, {r2-r5}\n"                                            \
  "ldmia r1!, {r6-r9}\n"                                            \
  "smlad r10, r2, r6, r10\n"                                        \
  "smlad r11, r3, r6, r11\n"                                        \
  "smlad r10, r4, r7, r10\n"                                        \
  "smlad r11, r5, r7, r11\n"                                        \
  "smlad r12, r2, r8, r12\n"                                        \
  "smlad lr, r3, r8, lr\n"                                          \
  "smlad r12, r4, r9, r12\n"                                        \
  "smlad lr, r5, r9, lr\n"
#define HALVES_2                                                    \
  "1:\n"                                                            \
  "ldmia r1!, {r10, r12}\n"                                         \
  "mov r11, r10\n"                                                  \
  "mov lr, r12\n"                                                   \
  "ldr r0, [sp]\n"                                                  \
  "ldr pc, [sp, #8]\n"                                              \
  "10:\n" BLOCK_OF_HALVES "11:\n" BLOCK_OF_HALVES                   \
  "12:\n" BLOCK_OF_HALVES "13:\n" BLOCK_OF_HALVES                   \
  "14:\n" BLOCK_OF_HALVES "15:\n" BLOCK_OF_HALVES                   \
  "16:\n" BLOCK_OF_HALVES "17:\n" BLOCK_OF_HALVES                   \
  "ldmia r1!, {r2-r6}\n"                                            \
  "ldrd r0, r7, [sp, #12]\n"
#define HALVES_ADDRESSES                                            \
  ADDRESSES("10b + 1, 17b + 1, 16b + 1, 15b + 1\n"                  \
            ".word 14b + 1, 13b + 1, 12b + 1, 11b + 1")

#define HALVES_FLOOR(sum, multiplier, rounding, to)                 \
  "smmla " sum ", " sum ", " multiplier ", " rounding "\n"          \
  "ssat " sum ", #8, " sum ", asr #12\n"                            \
  "strb " sum ", " to "\n"
#define HALVES_NEAREST(sum, multiplier, rounding, to)               \
  "add r8, " rounding ", " sum ", asr #31\n"                        \
  "smmlar " sum ", " sum ", " multiplier ", r8\n"                   \
  "asr " sum ", " sum ", r4\n"                                      \
  "ssat " sum ", #8, " sum "\n"                                     \
  "strb " sum ", " to "\n"

ASSEMBLY_FUNCTION(halves_floor_2,
  ENTER(16, 8)
  HALVES_2
  HALVES_FLOOR("r11", "r2", "r3", "[r0, r7]") HALVES_FLOOR("r10", "r2", "r3", "[r0], #1")
  NEXT_CHANNEL
  HALVES_FLOOR("lr", "r5", "r6", "[r0, r7]") HALVES_FLOOR("r12", "r5", "r6", "[r0], #1")
  LEAVE("r2", "bpl 1b\n") HALVES_ADDRESSES)

ASSEMBLY_FUNCTION(halves_nearest_2,
  ENTER(16, 8)
  HALVES_2
  HALVES_NEAREST("r11", "r2", "r3", "[r0, r7]") HALVES_NEAREST("r10", "r2", "r3", "[r0], #1")
  NEXT_CHANNEL
  HALVES_NEAREST("lr", "r5", "r6", "[r0, r7]") HALVES_NEAREST("r12", "r5", "r6", "[r0], #1")
  LEAVE("r2", "bpl 1b\n") HALVES_ADDRESSES)

// clang-format on

#else

// What channel_loop.h calls sum_pair.
static const int32_t *sum_bytes(const struct channel_pairs *pairs, const uint32_t *column,
                                int32_t pixels, const int32_t *stream, int32_t sums[2]) {
  int32_t a = *stream++;
  int32_t both = *stream++;
  for (int32_t i = 0; i < 2 * pairs->blocks; ++i, column += pixels) {
    uint32_t weights = (uint32_t)*stream++;
    both = smlad(*column, weights, both);
    a = smlad(*column, sxtb16(weights), a);
  }
  sums[0] = a;
  sums[1] = (int32_t)((uint32_t)both - (uint32_t)a);
  return stream;
}

static const int32_t *sum_sliding(const struct channel_pairs *pairs, const uint32_t *column,
                                  int32_t pixels, const int32_t *stream, int32_t sums[2]) {
  int32_t a = *stream++;
  int32_t both = *stream++;
  for (int32_t i = 0; i < 2 * pairs->blocks; ++i, column += pixels) {
    for (int32_t tap = 0; tap < 3; ++tap) {
      uint32_t weights = (uint32_t)*stream++;
      both = smlad(column[tap], weights, both);
      a = smlad(column[tap], sxtb16(weights), a);
    }
  }
  sums[0] = a;
  sums[1] = (int32_t)((uint32_t)both - (uint32_t)a);
  return stream;
}

static const int32_t *sum_halves(const struct channel_pairs *pairs, const uint32_t *column,
                                 int32_t pixels, const int32_t *stream, int32_t sums[2]) {
  sums[0] = *stream++;
  sums[1] = *stream++;
  for (int32_t block = 0; block < pairs->blocks; ++block, column += 2 * pixels) {
    for (int32_t i = 0; i < 4; ++i) {
      sums[i / 2] = smlad(column[i % 2 * pixels], (uint32_t)*stream++, sums[i / 2]);
    }
  }
  return stream;
}

static int32_t shift_left(int32_t sum, int32_t shift) { return (int32_t)((uint32_t)sum << shift); }

void floor_2(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  int32_t a = shift_left(sums[0], constants[2] & 0xFF);
  values[0] = SSAT8_ASR(smmla(a, constants[0], constants[1]), 14);
  values[1] = ssat8(smmla(sums[1], constants[3], constants[4]) >> (constants[2] >> 8 & 0xFF));
}

static void halves_floor(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  values[0] = SSAT8_ASR(smmla(sums[0], constants[0], constants[1]), 12);
  values[1] = SSAT8_ASR(smmla(sums[1], constants[3], constants[4]), 12);
}

static int32_t nearest(int32_t twice, int32_t multiplier, int32_t rounding, int32_t shift) {
  return ssat8(smmlar(twice, multiplier, rounding + (twice >> 31)) >> shift);
}

static void halves_nearest(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  values[0] = nearest(sums[0], constants[0], constants[1], constants[2] & 0xFF);
  values[1] = nearest(sums[1], constants[3], constants[4], constants[2] >> 8 & 0xFF);
}

void nearest_2(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  const int32_t twice[2] = {shift_left(sums[0], 1), sums[1] >> 7};
  halves_nearest(constants, twice, values);
}

void floor_3(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  floor_2(constants, sums, values);
}

void nearest_3(const int32_t *constants, const int32_t sums[2], int32_t values[2]) {
  nearest_2(constants, sums, values);
}

void bytes_2(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 2, 2, sum_bytes, pairs->finish);
}

void bytes_3(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 3, 3, sum_bytes, pairs->finish);
}

void sliding_2(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 2, 4, sum_sliding, pairs->finish);
}

void sliding_3(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 3, 5, sum_sliding, pairs->finish);
}

void halves_floor_2(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 2, 2, sum_halves, halves_floor);
}

void halves_nearest_2(const struct channel_pairs *pairs, int8_t *output) {
  multiply(pairs, output, 2, 2, sum_halves, halves_nearest);
}

#endif
