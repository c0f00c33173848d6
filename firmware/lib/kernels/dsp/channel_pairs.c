#include "channel_pairs.h"

#include "simd.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Whole functions in assembly: the compilers' register allocation spills in these loops.
//
// Registers of all: r0 columns, or output where they are done; r1 stream; lr end of the columns, or
// channels. Once the sums are done, r2-r6 are multiplier a, rounding a, shifts, and either
// multiplier b and rounding b ("floor"), or those in r2 and r3 again ("nearest").

// Stack: columns, their end, where the loop over blocks is entered, output, channels, odd. The loop
// is unrolled `unrolled` times.
#define ENTER(block_bytes, unrolled) \
  "push {r4-r11, lr}\n"              \
  "mov r4, r1\n"                     \
  "ldmia r0, {r0, r1, r3, r5, r6}\n" \
  "mov r2, #" #block_bytes           \
  "\n"                               \
  "mla r2, r2, r3, r0\n"             \
  "and r3, r3, #" #unrolled          \
  " - 1\n"                           \
  "adr r7, 9f\n"                     \
  "ldr r3, [r7, r3, lsl #2]\n"       \
  "push {r0, r2-r6}\n"

// Label 1: the next pair. 2 to 5: blocks. 6: channel b. 7: the end. 8: channel b of the last pair.
// 9: where the loop is entered, by the number of blocks.
#define LEAVE                                                      \
  "bpl 1b\n"                                                       \
  "7:\n"                                                           \
  "add sp, sp, #24\n"                                              \
  "pop {r4-r11, pc}\n"                                             \
  "8:\n"                                                           \
  "ldr r2, [sp, #20]\n"                                            \
  "cmp r2, #1\n" /* negative, as label 6 expects it, if not odd */ \
  "bne 6b\n"                                                       \
  "b 7b\n"                                                         \
  ".p2align 2\n"                                                   \
  "9:\n"
#define ENTRIES_LOOP ".word 2b + 1, 5b + 1, 4b + 1, 3b + 1\n"

#define LOOP(block)                                   \
  "2:\n" block "3:\n" block "4:\n" block "5:\n" block \
  "cmp r0, lr\n"                                      \
  "bne 2b\n"

// Bytes, three pixels: sums of a in r7-r9, of a + 256 * b in r10-r12, values in r2-r4.
#define HALF_BLOCK_3(weights)    \
  "ldmia r0!, {r2-r4}\n"         \
  "smlad r10, r2, " weights      \
  ", r10\n"                      \
  "smlad r11, r3, " weights      \
  ", r11\n"                      \
  "smlad r12, r4, " weights      \
  ", r12\n"                      \
  "sxtb16 " weights ", " weights \
  "\n"                           \
  "smlad r7, r2, " weights       \
  ", r7\n"                       \
  "smlad r8, r3, " weights       \
  ", r8\n"                       \
  "smlad r9, r4, " weights ", r9\n"
#define BLOCK_3 "ldmia r1!, {r5, r6}\n" HALF_BLOCK_3("r5") HALF_BLOCK_3("r6")
#define SUM_3 \
  "1:\n"                     \
  "ldmia r1!, {r7, r10}\n"   \
  "mov r8, r7\n"             \
  "mov r9, r7\n"             \
  "mov r11, r10\n"           \
  "mov r12, r10\n"           \
  "ldrd r0, lr, [sp]\n"      \
  "ldr pc, [sp, #8]\n"       \
  LOOP(BLOCK_3)              \
  "sub r10, r10, r7\n"       \
  "sub r11, r11, r8\n"       \
  "sub r12, r12, r9\n"       \
  "ldrd r0, lr, [sp, #12]\n"

// Bytes, two pixels: sums of a in r8 and r9, of a + 256 * b in r10 and r11, values in r2-r5.
#define BLOCK_2              \
  "ldmia r1!, {r6, r7}\n"    \
  "ldmia r0!, {r2-r5}\n"     \
  "smlad r10, r2, r6, r10\n" \
  "smlad r11, r3, r6, r11\n" \
  "sxtb16 r6, r6\n"          \
  "smlad r8, r2, r6, r8\n"   \
  "smlad r9, r3, r6, r9\n"   \
  "smlad r10, r4, r7, r10\n" \
  "smlad r11, r5, r7, r11\n" \
  "sxtb16 r7, r7\n"          \
  "smlad r8, r4, r7, r8\n"   \
  "smlad r9, r5, r7, r9\n"
#define SUM_2 \
  "1:\n"                     \
  "ldmia r1!, {r8, r10}\n"   \
  "mov r9, r8\n"             \
  "mov r11, r10\n"           \
  "ldrd r0, lr, [sp]\n"      \
  "ldr pc, [sp, #8]\n"       \
  LOOP(BLOCK_2)              \
  "sub r10, r10, r8\n"       \
  "sub r11, r11, r9\n"       \
  "ldrd r0, lr, [sp, #12]\n"

#define BYTES_FLOOR_A(sum, to) \
  "lsl " sum ", " sum          \
  ", r4\n"                     \
  "smmla " sum ", " sum        \
  ", r2, r3\n"                 \
  "ssat " sum ", #8, " sum     \
  ", asr #14\n"                \
  "strb " sum ", " to "\n"
#define BYTES_FLOOR_B(sum, to) \
  "smmla " sum ", " sum        \
  ", r5, r6\n"                 \
  "asr " sum ", " sum          \
  ", r4\n"                     \
  "ssat " sum ", #8, " sum     \
  "\n"                         \
  "strb " sum ", " to "\n"
#define BYTES_NEAREST_A(sum, to) \
  "add r5, r3, " sum             \
  ", asr #31\n"                  \
  "lsl " sum ", " sum            \
  ", #1\n"                       \
  "smmlar " sum ", " sum         \
  ", r2, r5\n"                   \
  "asr " sum ", " sum            \
  ", r4\n"                       \
  "ssat " sum ", #8, " sum       \
  "\n"                           \
  "strb " sum ", " to "\n"
#define BYTES_NEAREST_B(sum, to) \
  "add r5, r3, " sum             \
  ", asr #31\n"                  \
  "asr " sum ", " sum            \
  ", #7\n"                       \
  "smmlar " sum ", " sum         \
  ", r2, r5\n"                   \
  "asr " sum ", " sum            \
  ", r4\n"                       \
  "ssat " sum ", #8, " sum       \
  "\n"                           \
  "strb " sum ", " to "\n"

// Between the channels of a pair.
#define NEXT_CHANNEL  \
  "asrs r4, r4, #8\n" \
  "bmi 8f\n"          \
  "6:\n"

ASSEMBLY_FUNCTION(bytes_floor_3,
       ENTER(24, 4) SUM_3 "ldmia r1!, {r2-r6}\n" BYTES_FLOOR_A("r8", "[r0, lr]")
           BYTES_FLOOR_A("r9", "[r0, lr, lsl #1]") BYTES_FLOOR_A("r7", "[r0], #1")
               NEXT_CHANNEL BYTES_FLOOR_B("r11", "[r0, lr]")
                   BYTES_FLOOR_B("r12", "[r0, lr, lsl #1]")
                       BYTES_FLOOR_B("r10", "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_LOOP)

ASSEMBLY_FUNCTION(bytes_nearest_3,
       ENTER(24, 4) SUM_3 "ldmia r1!, {r2-r4}\n" BYTES_NEAREST_A("r8", "[r0, lr]")
           BYTES_NEAREST_A("r9", "[r0, lr, lsl #1]") BYTES_NEAREST_A("r7", "[r0], #1") NEXT_CHANNEL
       "ldmia r1!, {r2, r3}\n" BYTES_NEAREST_B("r11", "[r0, lr]")
           BYTES_NEAREST_B("r12", "[r0, lr, lsl #1]")
               BYTES_NEAREST_B("r10", "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_LOOP)

ASSEMBLY_FUNCTION(bytes_floor_2,
       ENTER(16, 4) SUM_2 "ldmia r1!, {r2-r6}\n" BYTES_FLOOR_A("r9", "[r0, lr]")
           BYTES_FLOOR_A("r8", "[r0], #1") NEXT_CHANNEL BYTES_FLOOR_B("r11", "[r0, lr]")
               BYTES_FLOOR_B("r10", "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_LOOP)

ASSEMBLY_FUNCTION(bytes_nearest_2, ENTER(16, 4) SUM_2 "ldmia r1!, {r2-r4}\n" BYTES_NEAREST_A("r9", "[r0, lr]")
                            BYTES_NEAREST_A("r8", "[r0], #1") NEXT_CHANNEL
       "ldmia r1!, {r2, r3}\n" BYTES_NEAREST_B("r11", "[r0, lr]")
           BYTES_NEAREST_B("r10", "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_LOOP)

// Halves, two pixels: sums of a in r10 and r11, of b in r12 and lr; values in r2-r5, weights in
// r6-r9. There is no register left for the end of a loop.
#define BLOCK_HALVES         \
  "ldmia r0!, {r2-r5}\n"     \
  "ldmia r1!, {r6-r9}\n"     \
  "smlad r10, r2, r6, r10\n" \
  "smlad r11, r3, r6, r11\n" \
  "smlad r10, r4, r7, r10\n" \
  "smlad r11, r5, r7, r11\n" \
  "smlad r12, r2, r8, r12\n" \
  "smlad lr, r3, r8, lr\n"   \
  "smlad r12, r4, r9, r12\n" \
  "smlad lr, r5, r9, lr\n"
#define SUM_HALVES                                                                    \
  "1:\n"                                                                              \
  "ldmia r1!, {r10, r12}\n"                                                           \
  "mov r11, r10\n"                                                                    \
  "mov lr, r12\n"                                                                     \
  "ldr r0, [sp]\n"                                                                    \
  "ldr pc, [sp, #8]\n"                                                                \
  "11:\n" BLOCK_HALVES "12:\n" BLOCK_HALVES "13:\n" BLOCK_HALVES "14:\n" BLOCK_HALVES \
  "15:\n" BLOCK_HALVES "16:\n" BLOCK_HALVES "17:\n" BLOCK_HALVES "18:\n" BLOCK_HALVES \
  "ldmia r1!, {r2-r6}\n"                                                              \
  "ldrd r0, r7, [sp, #12]\n"
#define ENTRIES_HALVES \
  ".word 11b + 1, 18b + 1, 17b + 1, 16b + 1, 15b + 1, 14b + 1, 13b + 1, 12b + 1\n"

#define HALVES_FLOOR(sum, multiplier, rounding, to)   \
  "smmla " sum ", " sum ", " multiplier ", " rounding \
  "\n"                                                \
  "ssat " sum ", #8, " sum                            \
  ", asr #11\n"                                       \
  "strb " sum ", " to "\n"
#define HALVES_NEAREST(sum, multiplier, rounding, to) \
  "add r8, " rounding ", " sum                        \
  ", asr #31\n"                                       \
  "smmlar " sum ", " sum ", " multiplier              \
  ", r8\n"                                            \
  "asr " sum ", " sum                                 \
  ", r4\n"                                            \
  "ssat " sum ", #8, " sum                            \
  "\n"                                                \
  "strb " sum ", " to "\n"

ASSEMBLY_FUNCTION(halves_floor_2,
       ENTER(16, 8) SUM_HALVES HALVES_FLOOR("r11", "r2", "r3", "[r0, r7]")
           HALVES_FLOOR("r10", "r2", "r3", "[r0], #1")
               NEXT_CHANNEL HALVES_FLOOR("lr", "r5", "r6", "[r0, r7]")
                   HALVES_FLOOR("r12", "r5", "r6",
                                "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_HALVES)

ASSEMBLY_FUNCTION(halves_nearest_2,
       ENTER(16, 8) SUM_HALVES HALVES_NEAREST("r11", "r2", "r3", "[r0, r7]")
           HALVES_NEAREST("r10", "r2", "r3", "[r0], #1")
               NEXT_CHANNEL HALVES_NEAREST("lr", "r5", "r6", "[r0, r7]")
                   HALVES_NEAREST("r12", "r5", "r6",
                                  "[r0], #1") "str r0, [sp, #12]\n" LEAVE ENTRIES_HALVES)

// clang-format on

#else

enum form { FLOOR, NEAREST };

// Sums of channels a and b of one pixel; `column` is the pixel's first word.
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

static int8_t nearest(int32_t doubled, int32_t multiplier, int32_t rounding, int32_t shift) {
  return (int8_t)ssat8(smmlar(doubled, multiplier, rounding + (doubled >> 31)) >> shift);
}

static void multiply(const struct channel_pairs *pairs, int8_t *output, int32_t pixels, int bytes,
                     enum form form) {
  const int32_t *stream = pairs->stream;
  for (int32_t last = 0; !last; output += 2) {
    const int32_t *end = stream;
    for (int32_t i = 0; i < pixels; ++i) {
      int32_t sums[2];
      const uint32_t *column = pairs->columns + i;
      const int32_t *constants =
          (bytes ? sum_bytes : sum_halves)(pairs, column, pixels, stream, sums);
      end = constants + 5;
      last = constants[2] < 0;
      int32_t shift_a = constants[2] & 0xFF;
      int32_t shift_b = constants[2] >> 8 & 0xFF;
      int8_t values[2];
      if (form == NEAREST) {
        int32_t a = bytes ? shift_left(sums[0], 1) : sums[0];
        int32_t b = bytes ? sums[1] >> 7 : sums[1];
        values[0] = nearest(a, constants[0], constants[1], shift_a);
        values[1] = nearest(b, constants[3], constants[4], shift_b);
      } else if (bytes) {
        int32_t a = smmla(shift_left(sums[0], shift_a), constants[0], constants[1]);
        int32_t b = smmla(sums[1], constants[3], constants[4]);
        values[0] = (int8_t)SSAT8_ASR(a, 14);
        values[1] = (int8_t)ssat8(b >> shift_b);
      } else {
        values[0] = (int8_t)SSAT8_ASR(smmla(sums[0], constants[0], constants[1]), 11);
        values[1] = (int8_t)SSAT8_ASR(smmla(sums[1], constants[3], constants[4]), 11);
      }
      output[i * pairs->channels] = values[0];
      if (!last || !pairs->odd) {
        output[i * pairs->channels + 1] = values[1];
      }
    }
    stream = end;
  }
}

#define KERNEL(name, pixels, bytes, form)                        \
  void name(const struct channel_pairs *pairs, int8_t *output) { \
    multiply(pairs, output, pixels, bytes, form);                \
  }

KERNEL(bytes_floor_2, 2, 1, FLOOR)
KERNEL(bytes_floor_3, 3, 1, FLOOR)
KERNEL(bytes_nearest_2, 2, 1, NEAREST)
KERNEL(bytes_nearest_3, 3, 1, NEAREST)
KERNEL(halves_floor_2, 2, 0, FLOOR)
KERNEL(halves_nearest_2, 2, 0, NEAREST)

#endif
