#include "fully_connected_dsp_s8.h"

#include <string.h>

#include "columns.h"
#include "simd.h"

// Four outputs after the other.
struct quads {
  const uint32_t *columns;  // of one vector, see columns.h
  const int32_t *stream;
  const int32_t *scaling;
  int32_t blocks;  // of four inputs, at least 1
  int32_t count;
  int32_t rewind;  // bytes to go back in `scaling` after each quad
};

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// r0 values, or output; r1 stream; r2 and r3 values; r4-r7 weights; r8-r11 sums of a, a + 256 * b, c,
// c + 256 * d; r12 scaling; lr end of the values
#define BLOCK                    \
  "ldmia r0!, {r2, r3}\n"        \
  "ldmia r1!, {r4-r7}\n"         \
  "smlad r9, r2, r4, r9\n"       \
  "smlad r11, r2, r6, r11\n"     \
  "sxtb16 r4, r4\n"              \
  "sxtb16 r6, r6\n"              \
  "smlad r8, r2, r4, r8\n"       \
  "smlad r10, r2, r6, r10\n"     \
  "smlad r9, r3, r5, r9\n"       \
  "smlad r11, r3, r7, r11\n"     \
  "sxtb16 r5, r5\n"              \
  "sxtb16 r7, r7\n"              \
  "smlad r8, r3, r5, r8\n"       \
  "smlad r10, r3, r7, r10\n"

#define FINISH(sum)                    \
  "ldmia r12!, {r2-r4}\n"              \
  "smmla " sum ", " sum ", r2, r3\n"   \
  "asr " sum ", " sum ", r4\n"         \
  "ssat " sum ", #8, " sum "\n"        \
  "strb " sum ", [r0], #1\n"

void fully_connected_quads(const struct quads *quads, int8_t *output);
ASSEMBLY_FUNCTION(fully_connected_quads,
      "push {r4-r11, lr}\n"
      "mov r4, r1\n"
      "ldmia r0, {r0, r1, r3, r6, r8, r9}\n"
      "mov r12, r3\n"
      "add r2, r0, r6, lsl #3\n"
      "and r3, r6, #3\n"
      "adr r7, 9f\n"
      "ldr r3, [r7, r3, lsl #2]\n"
      // Stack: values, their end, where the loop is entered, output, quads left, rewind.
      "push {r0, r2-r4, r8, r9}\n"
      "1:\n"
      "ldmia r1!, {r8-r11}\n"
      "ldrd r0, lr, [sp]\n"
      "ldr pc, [sp, #8]\n"
      "2:\n" BLOCK "3:\n" BLOCK "4:\n" BLOCK "5:\n" BLOCK
      "cmp r0, lr\n"
      "bne 2b\n"
      "sub r9, r9, r8\n"
      "sub r11, r11, r10\n"
      "lsl r8, r8, #8\n"
      "lsl r10, r10, #8\n"
      "ldrd r0, r5, [sp, #12]\n"
      FINISH("r8") FINISH("r9") FINISH("r10") FINISH("r11")
      "ldr r2, [sp, #20]\n"
      "sub r12, r12, r2\n"
      "subs r5, r5, #1\n"
      "strd r0, r5, [sp, #12]\n"
      "bne 1b\n"
      "add sp, sp, #24\n"
      "pop {r4-r11, pc}\n"
      ".p2align 2\n"
      "9:\n"
      ".word 2b + 1, 5b + 1, 4b + 1, 3b + 1\n")

// clang-format on

#else

static void fully_connected_quads(const struct quads *quads, int8_t *output) {
  const int32_t *stream = quads->stream;
  const int32_t *scaling = quads->scaling;
  for (int32_t quad = 0; quad < quads->count; ++quad) {
    int32_t sums[4];
    memcpy(sums, stream, sizeof sums);
    stream += 4;
    for (int32_t i = 0; i < quads->blocks; ++i) {
      for (int32_t lanes = 0; lanes < 4; ++lanes) {
        uint32_t weights = (uint32_t)*stream++;
        uint32_t values = quads->columns[2 * i + lanes % 2];
        int32_t *pair = sums + lanes / 2 * 2;
        pair[0] = smlad(values, sxtb16(weights), pair[0]);
        pair[1] = smlad(values, weights, pair[1]);
      }
    }
    for (int32_t i = 0; i < 4; ++i, scaling += 3) {
      uint32_t sum = (uint32_t)sums[i];
      int32_t times_256 = (int32_t)(i % 2 == 0 ? sum << 8 : sum - (uint32_t)sums[i - 1]);
      *output++ = (int8_t)ssat8(smmla(times_256, scaling[0], scaling[1]) >> scaling[2]);
    }
    scaling -= quads->rewind / 4;
  }
}

#endif

void fully_connected_dsp_s8(const struct fully_connected_dsp_params *params, const int8_t *input,
                            int8_t *output, void *scratch) {
  int32_t inputs = (int32_t)params->inputs;
  int32_t outputs = (int32_t)params->outputs;
  int32_t whole = inputs / 4;
  int clamped = params->output_min > -128 || params->output_max < 127;
  struct quads all = {
      .columns = scratch,
      .blocks = (inputs + 3) / 4,
      .rewind = params->per_channel ? 0 : 12 * 4,
  };
  for (uint32_t row = 0; row < params->rows; ++row, input += inputs, output += outputs) {
    if (whole > 0) {
      lay_column(scratch, input, whole);
    }
    if (inputs % 4 != 0) {
      int8_t last[4] = {0};
      for (int32_t i = 4 * whole; i < inputs; ++i) {
        last[i % 4] = input[i];
      }
      lay_column((uint32_t *)scratch + 2 * whole, last, 1);
    }
    struct quads quads = all;
    quads.stream = params->stream;
    quads.scaling = params->scaling;
    quads.count = outputs / 4;
    if (quads.count > 0) {
      fully_connected_quads(&quads, output);
    }
    if (outputs % 4 != 0) {
      quads.stream += quads.count * 4 * (quads.blocks + 1);
      quads.scaling += params->per_channel ? quads.count * 12 : 0;
      quads.count = 1;
      int8_t last[4];
      fully_connected_quads(&quads, last);
      for (int32_t i = 0; i < outputs % 4; ++i) {
        output[outputs / 4 * 4 + i] = last[i];
      }
    }
    for (int32_t i = 0; clamped && i < outputs; ++i) {
      int8_t value = output[i] > params->output_min ? output[i] : params->output_min;
      output[i] = value < params->output_max ? value : params->output_max;
    }
  }
}
