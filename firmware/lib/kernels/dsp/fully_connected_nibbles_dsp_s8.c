#include "fully_connected_nibbles_dsp_s8.h"

#include <string.h>

#include "columns.h"
#include "simd.h"

// Adds the products of some blocks of four inputs, at least one, with the weights of four outputs
// to their sums; returns where the weights end.
typedef const int32_t *add_blocks(const void *x, const int32_t *weights, int32_t blocks,
                                  int32_t sums[4]);

#if defined(__ARM_FEATURE_DSP)

// clang-format off

// r0 inputs, r1 weights, r2 and r3 a block's inputs, r4 and r5 its weights, r6 and r7 parts of those,
// r12 end of the inputs, lr what leaves out the low half byte of each lane. Sums: r8 of 16 * a, r9 of
// a + 16 * b, r10 of 16 * (a + 16 * b + 256 * c), r11 of a + 16 * b + 256 * c + 4096 * d.
#define LANES(x, weights, part)                      \
  "smlad r11, " x ", " weights ", r11\n"             \
  "and " part ", lr, " weights ", lsl #4\n"          \
  "sxtb16 " weights ", " weights "\n"                \
  "smlad r10, " x ", " part ", r10\n"                \
  "sxtb16 " part ", " part "\n"                      \
  "smlad r9, " x ", " weights ", r9\n"               \
  "smlad r8, " x ", " part ", r8\n"
#define BLOCK(inputs)                                \
  inputs                                             \
  "ldmia r1!, {r4, r5}\n"                            \
  LANES("r2", "r4", "r6") LANES("r3", "r5", "r7")
#define LAID "ldmia r0!, {r2, r3}\n"
#define DIRECT                                       \
  "ldr r3, [r0], #4\n"                               \
  "sxtb16 r2, r3\n"                                  \
  "sxtb16 r3, r3, ror #8\n"

// An odd number of blocks, of 2^`log` bytes of inputs each, enters the loop in its middle.
#define ADD_BLOCKS(inputs, log)                      \
  "push {r3-r11, lr}\n"                              \
  "mvn lr, #0x000F000F\n"                            \
  "mov r8, #0\n"                                     \
  "mov r9, #0\n"                                     \
  "mov r10, #0\n"                                    \
  "mov r11, #0\n"                                    \
  "add r12, r0, r2, lsl #" #log "\n"                 \
  "lsrs r2, r2, #1\n"                                \
  "bcs 2f\n"                                         \
  "1:\n" BLOCK(inputs)                               \
  "2:\n" BLOCK(inputs)                               \
  "cmp r0, r12\n"                                    \
  "bne 1b\n"                                         \
  "ldr r2, [sp]\n"                                   \
  "ldmia r2, {r4-r7}\n"                              \
  "sub r11, r11, r10, asr #4\n"                      \
  "rsb r10, r9, r10, asr #4\n"                       \
  "sub r9, r9, r8, asr #4\n"                         \
  "add r4, r4, r8, asr #4\n"                         \
  "add r5, r5, r9, asr #4\n"                         \
  "add r6, r6, r10, asr #8\n"                        \
  "add r7, r7, r11, asr #12\n"                       \
  "stmia r2, {r4-r7}\n"                              \
  "mov r0, r1\n"                                     \
  "pop {r3-r11, pc}\n"

add_blocks add_laid_nibbles, add_direct_nibbles;
ASSEMBLY_FUNCTION(add_laid_nibbles, ADD_BLOCKS(LAID, 3))
ASSEMBLY_FUNCTION(add_direct_nibbles, ADD_BLOCKS(DIRECT, 2))

// clang-format on

#else

static void add_lanes(uint32_t x, int32_t weights, int32_t parts[4]) {
  uint32_t word = (uint32_t)weights;
  uint32_t low = word << 4 & 0xFFF0FFF0u;
  parts[0] = smlad(x, sxtb16(low), parts[0]);
  parts[1] = smlad(x, sxtb16(word), parts[1]);
  parts[2] = smlad(x, low, parts[2]);
  parts[3] = smlad(x, word, parts[3]);
}

static void add_parts(const int32_t parts[4], int32_t sums[4]) {
  sums[0] += parts[0] >> 4;
  sums[1] += (parts[1] - (parts[0] >> 4)) >> 4;
  sums[2] += ((parts[2] >> 4) - parts[1]) >> 8;
  sums[3] += (parts[3] - (parts[2] >> 4)) >> 12;
}

static const int32_t *add_laid_nibbles(const void *x, const int32_t *weights, int32_t blocks,
                                       int32_t sums[4]) {
  const uint32_t *column = x;
  int32_t parts[4] = {0};
  for (int32_t i = 0; i < 2 * blocks; ++i) {
    add_lanes(*column++, *weights++, parts);
  }
  add_parts(parts, sums);
  return weights;
}

static const int32_t *add_direct_nibbles(const void *x, const int32_t *weights, int32_t blocks,
                                         int32_t sums[4]) {
  const int8_t *values = x;
  int32_t parts[4] = {0};
  for (int32_t i = 0; i < blocks; ++i, values += 4) {
    uint32_t bytes = load_word(values);
    add_lanes(sxtb16(bytes), *weights++, parts);
    add_lanes(sxtb16_ror8(bytes), *weights++, parts);
  }
  add_parts(parts, sums);
  return weights;
}

#endif

// Writes the outputs, 1 to 4, that some sums become; returns where the scaling of the next is.
static const int32_t *finish(const struct fully_connected_nibbles_dsp_params *p,
                             const int32_t *scaling, const int32_t sums[4], int32_t count,
                             int8_t *output) {
  int32_t step = p->per_channel ? 3 : 0;
  for (int32_t i = 0; i < count; ++i, scaling += step) {
    int32_t sum = (int32_t)((uint32_t)sums[i] << p->prescale);
    int32_t value = ssat8(smmla(sum, scaling[0], scaling[1]) >> scaling[2]);
    value = value > p->output_min ? value : p->output_min;
    *output++ = (int8_t)(value < p->output_max ? value : p->output_max);
  }
  return scaling;
}

// Computes the outputs of one vector.
//   x: its first block; a block takes `block_bytes`
//   blocks: of the vector
//   back: bytes by which the last block begins before the end of the one before it
static void connect(const struct fully_connected_nibbles_dsp_params *p, const int8_t *x,
                    int32_t block_bytes, int32_t blocks, int32_t back, add_blocks *add,
                    int8_t *output) {
  const int32_t *stream = p->stream;
  const int32_t *scaling = p->scaling;
  int32_t chunk = (int32_t)p->chunk;
  // The last block is added by itself where it does not follow the others.
  int32_t whole = back > 0 ? blocks - 1 : blocks;
  for (int32_t left = (int32_t)p->outputs; left > 0; left -= 4, output += 4) {
    int32_t sums[4];
    memcpy(sums, stream, sizeof sums);
    stream += 4;
    for (int32_t first = 0; first < whole; first += chunk) {
      int32_t now = whole - first < chunk ? whole - first : chunk;
      stream = add(x + first * block_bytes, stream, now, sums);
    }
    if (back > 0) {
      stream = add(x + whole * block_bytes - back, stream, 1, sums);
    }
    scaling = finish(p, scaling, sums, left < 4 ? left : 4, output);
  }
}

void fully_connected_nibbles_dsp_s8(const struct fully_connected_nibbles_dsp_params *params,
                                    const int8_t *input, int8_t *output, void *scratch) {
  int32_t inputs = (int32_t)params->inputs;
  int32_t whole = inputs / 4;
  for (uint32_t row = 0; row < params->rows; ++row) {
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
    connect(params, scratch, 8, (inputs + 3) / 4, 0, add_laid_nibbles, output);
    input += inputs;
    output += params->outputs;
  }
}

void fully_connected_nibbles_direct_dsp_s8(const struct fully_connected_nibbles_dsp_params *params,
                                           const int8_t *input, int8_t *output) {
  int32_t inputs = (int32_t)params->inputs;
  int32_t back = (4 - inputs % 4) % 4;
  for (uint32_t row = 0; row < params->rows; ++row) {
    connect(params, input, 4, (inputs + 3) / 4, back, add_direct_nibbles, output);
    input += inputs;
    output += params->outputs;
  }
}
