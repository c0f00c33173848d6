// The smallest engine: no model, three layers, and an output that anyone can predict. It serves
// the tests of the firmware, and as the pattern for a new engine.
//
//   input   16 x int8     output   16 x int8, output[i] = -input[15 - i] - 1
//
// Two inputs make it fail on purpose: all bytes 0x7E fail in the second layer, all bytes 0x7D
// access memory that no board has.
#include "engine.h"

enum { kSize = 16, kLayers = 3 };

static const int8_t kFailingByte = 0x7E;
static const int8_t kFaultingByte = 0x7D;

ENGINE_ARENA static int8_t arena[2 * kSize];
static int8_t *const input = arena;
static int8_t *const output = arena + kSize;

static uint8_t staging[kSize];
static int ready;

static int all_are(const int8_t *values, int8_t byte) {
  for (int i = 0; i < kSize; ++i) {
    if (values[i] != byte) return 0;
  }
  return 1;
}

enum engine_status engine_init(void) {
  ready = 1;
  return ENGINE_OK;
}

enum engine_status engine_input(unsigned index, struct engine_buffer *buffer) {
  if (index != 0) return ENGINE_BAD_INDEX;
  *buffer = (struct engine_buffer){input, kSize, ENGINE_INT8, 1.0f / 128, 0};
  return ENGINE_OK;
}

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  if (index != 0) return ENGINE_BAD_INDEX;
  *buffer = (struct engine_buffer){output, kSize, ENGINE_INT8, 1.0f / 256, -128};
  return ENGINE_OK;
}

struct engine_staging engine_staging(void) { return (struct engine_staging){staging, kSize}; }

enum engine_status engine_invoke_step(unsigned step, unsigned *layer) {
  if (!ready) return ENGINE_NOT_READY;
  *layer = step;
  switch (step) {
    case 0:  // reverses
      for (int i = 0; i < kSize; ++i) output[i] = input[kSize - 1 - i];
      return ENGINE_OK;
    case 1:  // would fail, if told to
      if (all_are(output, kFaultingByte)) return *(volatile int *)(uintptr_t)0xDEADBEE0;
      return all_are(output, kFailingByte) ? ENGINE_FAILED : ENGINE_OK;
    case 2:  // complements, and spoils the input as engines may
      for (int i = 0; i < kSize; ++i) {
        output[i] = (int8_t)~output[i];
        input[i] = 0x55;
      }
      return ENGINE_OK;
    default:
      return ENGINE_BAD_INDEX;
  }
}

const uint32_t *engine_layer_ticks(void) { return NULL; }

enum engine_status engine_invoke(void) {
  for (unsigned step = 0; step < kLayers; ++step) {
    unsigned layer;
    const enum engine_status status = engine_invoke_step(step, &layer);
    if (status != ENGINE_OK) return status;
  }
  return ENGINE_OK;
}

const struct engine_info *engine_info(void) {
  static const struct engine_info kInfo = {
      .engine = "echo",
      .model_sha256 = "0000000000000000000000000000000000000000000000000000000000000000",
      .message = "",
      .arena_bytes = sizeof arena,
      .num_inputs = 1,
      .num_outputs = 1,
      .num_layers = kLayers,
      .num_steps = kLayers,
  };
  return &kInfo;
}
