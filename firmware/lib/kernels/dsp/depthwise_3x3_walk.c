#include "depthwise_3x3_walk.h"

#include "simd.h"

#if defined(__ARM_FEATURE_DSP)
// A window slides along three rows of one channel. Registers throughout:
//   r0 pixel    r1 to the second row    r2 from the pixel to its output
//   r3 x of the first two rows    lr x of the third
//   r4-r8 weights, as in the parameters    r9, r12 accumulators    r10 multiplier    r11 rounding
__asm__(
    ".syntax unified\n"
    // The walk in the stack.
    ".set TAPS, 44\n"
    ".set INPUT, 48\n"
    ".set SECOND, 52\n"
    ".set OUTPUT, 56\n"
    ".set THIRD, 60\n"
    ".set SPAN, 64\n"
    ".set NEXT, 68\n"
    ".set ROWS, 76\n"
    ".set CHANNELS, 80\n"
    ".set ZERO, 84\n"
    ".set FLAGS, 88\n"
    ".set WHOLE, 92\n"
    ".set ROWS_LEFT, 96\n"
    ".set END, 100\n"
    ".set LEFT, 104\n"
    ".set RIGHT, 108\n"
    ".set BIAS, 112\n"
    ".set START, 116\n"
    ".set REST, 120\n"
    ".set ENTRY, 124\n"
    // The next column. `third` is how to find the third row: twice as far as the second ("even"),
    // as far as the walk says ("any"), or as r12 does ("r12").
    ".macro depthwise_load third\n"
    " ldrsb r3, [r0]\n"
    " ldrsb lr, [r0, r1]\n"
    " pkhbt r3, r3, lr, lsl #16\n"
    ".ifc \\third, any\n"
    " ldr lr, [sp, #THIRD]\n"
    " ldrsb lr, [r0, lr]\n"
    ".endif\n"
    ".ifc \\third, even\n"
    " ldrsb lr, [r0, r1, lsl #1]\n"
    ".endif\n"
    ".ifc \\third, r12\n"
    " ldrsb lr, [r0, r12]\n"
    ".endif\n"
    ".endm\n"
    // That column as the first, the middle or the last one of a window.
    ".macro depthwise_first acc\n"
    " smlad \\acc, r3, r4, \\acc\n"
    " smlabb \\acc, lr, r7, \\acc\n"
    ".endm\n"
    ".macro depthwise_middle acc\n"
    " smlad \\acc, r3, r5, \\acc\n"
    " smlabt \\acc, lr, r7, \\acc\n"
    ".endm\n"
    ".macro depthwise_last acc\n"
    " smlad \\acc, r3, r6, \\acc\n"
    " smlabb \\acc, lr, r8, \\acc\n"
    ".endm\n"
    ".macro depthwise_store acc\n"
    ".if DEPTHWISE_SIGNED\n"
    " lsr r11, \\acc, #31\n"
    " ldr r11, [sp, r11, lsl #2]\n"
    ".endif\n"
    " smmla \\acc, \\acc, r10, r11\n"
    ".if DEPTHWISE_SHIFT == 8\n"
    " ssat \\acc, #8, \\acc, asr #8\n"
    ".elseif DEPTHWISE_SHIFT == 10\n"
    " ssat \\acc, #8, \\acc, asr #10\n"
    ".else\n"
    " ssat \\acc, #8, \\acc, asr #13\n"
    ".endif\n"
    " strb \\acc, [r0, r2]\n"
    ".endm\n"
    // Stride 1. The column is the last one of output `old`, the middle one of output `next` and the
    // first one of a new output, which takes the place of `old`.
    ".macro depthwise_step old, next, third\n"
    " depthwise_load \\third\n"
    " depthwise_last \\old\n"
    " depthwise_middle \\next\n"
    " depthwise_store \\old\n"
    " ldr \\old, [sp, #BIAS]\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_first \\old\n"
    ".endm\n"
    // Stride 2. The middle and the last column of an output; the last is the first of the next.
    ".macro depthwise_step_2\n"
    " depthwise_load r12\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_middle r9\n"
    " depthwise_load r12\n"
    " depthwise_last r9\n"
    " depthwise_store r9\n"
    " ldr r9, [sp, #BIAS]\n"
    " add r0, r0, r8, asr #16\n"
    " sub r2, r2, r8, asr #16\n"
    " depthwise_first r9\n"
    ".endm\n"
    ".macro depthwise_swap\n"
    " mov r3, r9\n"
    " mov r9, r12\n"
    " mov r12, r3\n"
    ".endm\n");

// Apart, because C compilers need not take longer strings than 4,095 characters.
__asm__(
    // The function. `signed`: whether the rounding depends on the sign of an accumulator. If so,
    // both lie at the stack's end, and r11 is free. `shift`: of the results.
    ".macro depthwise_walk name, signed, shift\n"
    ".set DEPTHWISE_SIGNED, \\signed\n"
    ".set DEPTHWISE_SHIFT, \\shift\n"
    ".section .text.\\name, \"ax\", %progbits\n"
    ".p2align 2\n"
    ".global \\name\n"
    ".thumb_func\n"
    ".type \\name, %function\n"
    "\\name:\n"
    " push {r0-r3}\n"
    " push {r4-r11, lr}\n"
    " sub sp, sp, #8\n"
    // How rows start, where they enter the inner loop, and how they end.
    " ldr r4, [sp, #FLAGS]\n"
    " ldr r5, [sp, #WHOLE]\n"
    " adr r6, 90f\n"
    " and r0, r4, #3\n"
    " ldr r0, [r6, r0, lsl #2]\n"
    " and r1, r4, #6\n"
    " add r1, r6, r1, lsl #1\n"
    " ldr r1, [r1, #16]\n"
    " and r5, r5, #3\n"
    " ldr r7, [sp, #THIRD]\n"
    " cmp r7, r2, lsl #1\n"
    " it ne\n"
    " addne r5, r5, #4\n"
    " tst r4, #2\n"
    " it ne\n"
    " addne r5, r5, #8\n"
    " add r5, r6, r5, lsl #2\n"
    " ldr r5, [r5, #32]\n"
    " str r0, [sp, #START]\n"
    " strd r1, r5, [sp, #REST]\n"

    // A channel.
    "10:\n"
    " ldr r12, [sp, #TAPS]\n"
    " ldm r12!, {r4-r11}\n"
    ".if DEPTHWISE_SIGNED\n"
    " ldr r3, [r12], #4\n"
    " strd r11, r3, [sp]\n"
    ".endif\n"
    " str r12, [sp, #TAPS]\n"
    " ldrd r3, lr, [sp, #ZERO]\n"
    " tst lr, #24\n"
    " beq 13f\n"
    " tst lr, #8\n"
    " beq 12f\n"
    // The window's first row is padding: what it contributes goes into the bias, and the weights of
    // the other rows move up.
    " smlabb r9, r3, r4, r9\n"
    " smlabb r9, r3, r5, r9\n"
    " smlabb r9, r3, r6, r9\n"
    " lsl r12, r7, #16\n"
    " pkhtb r4, r12, r4, asr #16\n"
    " pkhtb r5, r7, r5, asr #16\n"
    " lsl r12, r8, #16\n"
    " pkhtb r6, r12, r6, asr #16\n"
    " mov r7, #0\n"
    " bfc r8, #0, #16\n"
    " b 13f\n"
    // The last row is: the others move down.
    "12:\n"
    " smlad r9, r3, r7, r9\n"
    " smlabb r9, r3, r8, r9\n"
    " pkhtb r7, r5, r4, asr #16\n"
    " pkhtb r8, r8, r6, asr #16\n"
    " lsl r4, r4, #16\n"
    " lsl r5, r5, #16\n"
    " lsl r6, r6, #16\n"
    "13:\n"
    // What a first output starts with that has padding on its left, and what padding on the right
    // adds.
    " smlad r0, r3, r4, r9\n"
    " smlabb r0, r3, r7, r0\n"
    " smuad r1, r3, r6\n"
    " smlabb r1, r3, r8, r1\n"
    " strd r0, r1, [sp, #LEFT]\n"
    " str r9, [sp, #BIAS]\n"
    " ldrd r0, r1, [sp, #INPUT]\n"
    " add r3, r0, #1\n"
    " str r3, [sp, #INPUT]\n"
    " ldr r2, [sp, #OUTPUT]\n"
    " ldr r3, [sp, #ROWS]\n"

    // A row. Stride 1: the output that is finished next is in r12, the one after that in r9.
    "20:\n"
    " ldr lr, [sp, #SPAN]\n"
    " add lr, lr, r0\n"
    " strd r3, lr, [sp, #ROWS_LEFT]\n"
    " ldr r12, [sp, #LEFT]\n"
    " ldr pc, [sp, #START]\n"
    "21:\n"
    " depthwise_load any\n"
    " mov r12, r9\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_first r12\n"
    "22:\n"
    " depthwise_load any\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_middle r12\n"
    " depthwise_first r9\n"
    " ldr pc, [sp, #ENTRY]\n"

    "30:\n"
    " depthwise_swap\n"
    " b 35f\n"
    "32:\n"
    " depthwise_swap\n"
    " b 34f\n"
    "36:\n"
    " depthwise_step r9, r12, even\n"
    "33:\n"
    " depthwise_step r12, r9, even\n"
    "34:\n"
    " depthwise_step r9, r12, even\n"
    "31:\n"
    " depthwise_step r12, r9, even\n"
    "35:\n"
    " ldr r3, [sp, #END]\n"
    " cmp r0, r3\n"
    " bne 36b\n"
    " ldr pc, [sp, #REST]\n"

    "40:\n"
    " depthwise_swap\n"
    " b 42f\n"
    "43:\n"
    " depthwise_step r9, r12, any\n"
    "41:\n"
    " depthwise_step r12, r9, any\n"
    "42:\n"
    " ldr r3, [sp, #END]\n"
    " cmp r0, r3\n"
    " bne 43b\n"
    " ldr pc, [sp, #REST]\n"

    // Stride 2: r9 is the only accumulator.
    "51:\n"
    " ldr r12, [sp, #THIRD]\n"
    " depthwise_load r12\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_first r9\n"
    " ldr pc, [sp, #ENTRY]\n"
    "50:\n"
    " mov r9, r12\n"
    " ldr r12, [sp, #THIRD]\n"
    " ldr pc, [sp, #ENTRY]\n"
    "54:\n"
    " depthwise_step_2\n"
    "53:\n"
    " depthwise_step_2\n"
    "52:\n"
    " ldr r3, [sp, #END]\n"
    " cmp r0, r3\n"
    " bne 54b\n"
    " ldr pc, [sp, #REST]\n"
    "55:\n"
    " depthwise_load r12\n"
    " add r0, r0, r8, asr #16\n"
    " depthwise_middle r9\n"

    "60:\n"
    " ldr r3, [sp, #RIGHT]\n"
    " add r9, r9, r3\n"
    " depthwise_store r9\n"
    "61:\n"
    " ldrd r3, lr, [sp, #ROWS_LEFT]\n"
    " ldrd r0, r12, [sp, #NEXT]\n"
    " add r0, r0, lr\n"
    " add r2, r2, r12\n"
    " ldr r9, [sp, #BIAS]\n"
    " subs r3, r3, #1\n"
    " bne 20b\n"
    " ldr r3, [sp, #CHANNELS]\n"
    " subs r3, r3, #1\n"
    " str r3, [sp, #CHANNELS]\n"
    " bne 10b\n"
    " add sp, sp, #8\n"
    " pop {r4-r11, lr}\n"
    " add sp, sp, #16\n"
    " bx lr\n"

    ".p2align 2\n"
    "90:\n"
    ".word 21b + 1, 22b + 1, 51b + 1, 50b + 1\n"
    ".word 61b + 1, 61b + 1, 60b + 1, 55b + 1\n"
    ".word 30b + 1, 31b + 1, 32b + 1, 33b + 1\n"
    ".word 40b + 1, 41b + 1, 40b + 1, 41b + 1\n"
    ".word 52b + 1, 53b + 1, 52b + 1, 53b + 1\n"
    ".word 52b + 1, 53b + 1, 52b + 1, 53b + 1\n"
    ".size \\name, . - \\name\n"
    ".endm\n"
    " depthwise_walk depthwise_3x3_walk_relu, 0, 10\n"
    " depthwise_walk depthwise_3x3_walk_relu_coarse, 0, 8\n"
    " depthwise_walk depthwise_3x3_walk, 1, 10\n"
    " depthwise_walk depthwise_3x3_walk_fine, 1, 13\n"
    ".text\n");
#else
static inline void walk_rows(struct depthwise_walk walk, int has_sign, int shift) {
  const int32_t rows[3] = {0, walk.second_row, walk.third_row};
  int32_t above = walk.flags & PAD_ABOVE ? 1 : 0;
  int32_t below = walk.flags & PAD_BELOW ? 1 : 0;
  int32_t left = walk.flags & PAD_LEFT ? 1 : 0;
  int32_t stride = walk.flags & STRIDE_2 ? 2 : 1;
  int32_t outputs = walk.whole + (walk.flags & PAD_RIGHT ? 1 : 0);
  for (int32_t channel = 0; channel < walk.channels; ++channel) {
    const int32_t *taps = walk.taps + channel * (8 + has_sign);
    const int8_t *row = walk.input + channel;
    int8_t *output = (int8_t *)((intptr_t)row + walk.output) + (2 - left) * walk.channels;
    for (int32_t y = 0; y < walk.rows; ++y) {
      for (int32_t i = 0; i < outputs; ++i) {
        int32_t acc = taps[5];
        for (int32_t column = 0; column < 3; ++column) {
          int32_t x = i * stride - left + column;
          int outside = x < 0 || (i == walk.whole && column == 2);
          uint32_t values[3];
          for (int32_t k = 0; k < 3; ++k) {
            int padding = outside || (above && k == 0) || (below && k == 2);
            values[k] = padding ? walk.zero_point
                                : (uint32_t)row[rows[k - above + below] + x * walk.channels];
          }
          uint32_t third = (uint32_t)taps[column < 2 ? 3 : 4] >> (column == 1 ? 16 : 0);
          acc = smlad(pkhbt(values[0], values[1]), (uint32_t)taps[column], acc);
          acc = smlabb(values[2], third, acc);
        }
        int32_t rounding = taps[has_sign && acc < 0 ? 8 : 7];
        *output = (int8_t)ssat8(smmla(acc, taps[6], rounding) >> shift);
        output += walk.channels;
      }
      row += walk.span + walk.next_input;
    }
  }
}

void depthwise_3x3_walk_relu(struct depthwise_walk walk) { walk_rows(walk, 0, 10); }
void depthwise_3x3_walk_relu_coarse(struct depthwise_walk walk) { walk_rows(walk, 0, 8); }
void depthwise_3x3_walk(struct depthwise_walk walk) { walk_rows(walk, 1, 10); }
void depthwise_3x3_walk_fine(struct depthwise_walk walk) { walk_rows(walk, 1, 13); }
#endif
