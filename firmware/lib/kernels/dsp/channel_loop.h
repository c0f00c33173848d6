// The frame of the loops over pairs of channels: what those of channel_pairs.c and of
// channel_nibbles.c have in common.
#ifndef ESPALIER_KERNELS_DSP_CHANNEL_LOOP_H_
#define ESPALIER_KERNELS_DSP_CHANNEL_LOOP_H_

#include "channel_pairs.h"

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// Registers: r0 columns, then output; r1 stream; lr end of the columns, then channels. Once the sums
// are done: r2 multiplier, r3 rounding, r4 shift of channel a; r5 multiplier and r6 rounding of
// channel b, or r2 and r3 once more. Three pixels: sums of a in r7-r9, of b in r10-r12. Two: r8 and
// r9, r10 and r11.
//
// Stack: columns 0, their end 4, where the loop over blocks is entered 8, output 12, channels 16,
// odd 20, groups left 24, stream 28, what finishes 32, the loop over pairs 36.

// The loop takes `bytes` of columns a block and is unrolled `unrolled` times.
#define ENTER(bytes, unrolled)                                      \
  "push {r4-r11, lr}\n"                                             \
  "mov r4, r1\n"                                                    \
  "ldmia r0, {r0-r2, r5-r7, r9}\n"                                  \
  "and r3, r2, #" #unrolled " - 1\n"                                \
  "adr r8, 9f\n"                                                    \
  "ldr r10, [r8], #4\n"                                             \
  "ldr r3, [r8, r3, lsl #2]\n"                                      \
  "mov r8, #" #bytes "\n"                                           \
  "mla r2, r8, r2, r0\n"                                            \
  "mov r8, r1\n"                                                    \
  "push {r0, r2-r10}\n"
#define ADDRESSES(blocks)                                           \
  ".p2align 2\n"                                                    \
  "9:\n"                                                            \
  ".word 1b + 1\n"                                                  \
  ".word " blocks "\n"

// clang-format on

#else

// Sums of channels a and b of one pixel, or window, whose first word is at `column`; of b, unless
// for halves, 256 times that. A word of the column is `pixels` words before the next. Returns where
// the stream goes on.
typedef const int32_t *sum_pair(const struct channel_pairs *pairs, const uint32_t *column,
                                int32_t pixels, const int32_t *stream, int32_t sums[2]);

static inline void multiply(const struct channel_pairs *pairs, int8_t *output, int32_t pixels,
                            int32_t width, sum_pair *sum, finish_pair *finish) {
  for (int32_t group = 0; group < pairs->groups; ++group) {
    const uint32_t *columns = pairs->columns + group * pairs->blocks * 2 * width;
    for (int32_t i = 0; i < pixels; ++i, output += pairs->channels) {
      const int32_t *stream = pairs->stream;
      int8_t *to = output;
      for (int last = 0; !last; stream += 5) {
        int32_t sums[2], values[2];
        stream = sum(pairs, columns + i, width, stream, sums);
        finish(stream, sums, values);
        last = stream[2] < 0;
        *to++ = (int8_t)values[0];
        if (!last || !pairs->odd) {
          *to++ = (int8_t)values[1];
        }
      }
    }
  }
}

#endif

#endif  // ESPALIER_KERNELS_DSP_CHANNEL_LOOP_H_
