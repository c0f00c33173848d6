#include "fully_connected_direct_dsp_s8.h"

#include <string.h>

#include "simd.h"

// Adds the products of some blocks of four inputs with the weights of four or two outputs to their
// sums; returns where the weights end.
typedef const int32_t *add_blocks(const int8_t *x, const int32_t *weights, int32_t blocks,
                                  int32_t *sums);

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// r0 inputs, r1 weights, r2 and r3 a block's inputs, r4-r7 weights, r8-r11 sums of a, a + 256 * b,
// c, c + 256 * d, r12 end of the inputs. b and d: in memory.
#define INPUTS                   \
  "ldr r3, [r0], #4\n"           \
  "sxtb16 r2, r3\n"              \
  "sxtb16 r3, r3, ror #8\n"
#define BLOCK_OF_4               \
  INPUTS                         \
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
#define BLOCK_OF_2               \
  INPUTS                         \
  "ldmia r1!, {r4, r5}\n"        \
  "smlad r9, r2, r4, r9\n"       \
  "smlad r9, r3, r5, r9\n"       \
  "sxtb16 r4, r4\n"              \
  "sxtb16 r5, r5\n"              \
  "smlad r8, r2, r4, r8\n"       \
  "smlad r8, r3, r5, r8\n"

// An odd number of blocks enters the loop in its middle.
#define LOOP(block)              \
  "add r12, r0, r2, lsl #2\n"    \
  "lsrs r2, r2, #1\n"            \
  "bcs 2f\n"                     \
  "1:\n" block                   \
  "2:\n" block                   \
  "cmp r0, r12\n"                \
  "bne 1b\n"

add_blocks add_blocks_4, add_blocks_2;

ASSEMBLY_FUNCTION(add_blocks_4,
  "push {r3-r11, lr}\n"
  "ldr r8, [r3]\n"
  "ldr r10, [r3, #8]\n"
  "mov r9, r8\n"
  "mov r11, r10\n"
  LOOP(BLOCK_OF_4)
  "ldr r2, [sp]\n"
  "sub r9, r9, r8\n"
  "sub r11, r11, r10\n"
  "ldr r4, [r2, #4]\n"
  "ldr r5, [r2, #12]\n"
  "add r9, r4, r9, asr #8\n"
  "add r11, r5, r11, asr #8\n"
  "stmia r2, {r8-r11}\n"
  "mov r0, r1\n"
  "pop {r3-r11, pc}\n")

ASSEMBLY_FUNCTION(add_blocks_2,
  "push {r3-r5, r8, r9, lr}\n"
  "ldr r8, [r3]\n"
  "mov r9, r8\n"
  LOOP(BLOCK_OF_2)
  "ldr r2, [sp]\n"
  "sub r9, r9, r8\n"
  "ldr r4, [r2, #4]\n"
  "add r9, r4, r9, asr #8\n"
  "strd r8, r9, [r2]\n"
  "mov r0, r1\n"
  "pop {r3-r5, r8, r9, pc}\n")

// clang-format on

#else

static const int32_t *add_pairs(const int8_t *x, const int32_t *weights, int32_t blocks,
                                int32_t *sums, int32_t pairs) {
  for (int32_t pair = 0; pair < pairs; ++pair, sums += 2) {
    int32_t a = sums[0];
    int32_t both = a;
    for (int32_t i = 0; i < blocks; ++i) {
      uint32_t bytes = load_word(x + 4 * i);
      const uint32_t values[2] = {sxtb16(bytes), sxtb16_ror8(bytes)};
      for (int32_t lanes = 0; lanes < 2; ++lanes) {
        uint32_t word = (uint32_t)weights[2 * (i * pairs + pair) + lanes];
        a = smlad(values[lanes], sxtb16(word), a);
        both = smlad(values[lanes], word, both);
      }
    }
    sums[0] = a;
    sums[1] += (int32_t)((uint32_t)both - (uint32_t)a) >> 8;
  }
  return weights + 2 * pairs * blocks;
}

static const int32_t *add_blocks_4(const int8_t *x, const int32_t *weights, int32_t blocks,
                                   int32_t *sums) {
  return add_pairs(x, weights, blocks, sums, 2);
}

static const int32_t *add_blocks_2(const int8_t *x, const int32_t *weights, int32_t blocks,
                                   int32_t *sums) {
  return add_pairs(x, weights, blocks, sums, 1);
}

#endif

// Computes a group of `size` outputs, of which some may not be there; returns where it ends.
static const int32_t *connect_group(const struct fully_connected_direct_dsp_params *p,
                                    const int32_t *stream, const int8_t *x, int32_t size,
                                    int8_t *output, int32_t outputs) {
  add_blocks *add = size == 4 ? add_blocks_4 : add_blocks_2;
  int32_t sums[4];
  memcpy(sums, stream, sizeof sums);
  stream += size;
  int32_t left = (int32_t)p->inputs;
  for (int32_t now = 4 * (int32_t)p->chunk; left >= 4; left -= now, x += now) {
    now = now < left ? now : left & ~3;
    stream = add(x, stream, now / 4, sums);
  }
  if (left > 0) {
    stream = add(x + left - 4, stream, 1, sums);
  }
  const int32_t *factors = stream;
  for (int32_t i = 0; i < size && i < outputs; ++i, factors += 3) {
    int32_t sum = (int32_t)((uint32_t)sums[i] << p->prescale);
    output[i] = (int8_t)ssat8(smmla(sum, factors[0], factors[1]) >> factors[2]);
  }
  return stream + 3 * size;
}

void fully_connected_direct_dsp_s8(const struct fully_connected_direct_dsp_params *params,
                                   const int8_t *input, int8_t *output) {
  int clamped = params->output_min > -128 || params->output_max < 127;
  int32_t outputs = (int32_t)params->outputs;
  for (uint32_t row = 0; row < params->rows; ++row) {
    const int32_t *stream = params->stream;
    for (int32_t left = outputs, size; left > 0; left -= size) {
      size = left > 2 ? 4 : 2;
      stream = connect_group(params, stream, input, size, output + outputs - left, left);
    }
    for (int32_t i = 0; clamped && i < outputs; ++i) {
      int8_t value = output[i] > params->output_min ? output[i] : params->output_min;
      output[i] = value < params->output_max ? value : params->output_max;
    }
    input += params->inputs;
    output += outputs;
  }
}
