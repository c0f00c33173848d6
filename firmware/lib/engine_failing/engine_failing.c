// An engine that never starts, as one does whose arena is too small. It serves the tests of what a
// board says then: an error with a reason, and never nothing.
//
//   input   16 x int8     output   16 x int8, never written
#include "engine.h"

enum { kSize = 16 };

static uint8_t staging[kSize];
ENGINE_ARENA static int8_t arena[2 * kSize];

enum engine_status engine_init(void) { return ENGINE_FAILED; }

enum engine_status engine_input(unsigned index, struct engine_buffer *buffer) {
  if (index != 0) return ENGINE_BAD_INDEX;
  *buffer = (struct engine_buffer){arena, kSize, ENGINE_INT8, 1.0f / 128, 0};
  return ENGINE_OK;
}

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  if (index != 0) return ENGINE_BAD_INDEX;
  *buffer = (struct engine_buffer){arena + kSize, kSize, ENGINE_INT8, 1.0f / 256, -128};
  return ENGINE_OK;
}

struct engine_staging engine_staging(void) { return (struct engine_staging){staging, kSize}; }

enum engine_status engine_invoke_step(unsigned step, unsigned *layer) {
  (void)step;
  (void)layer;
  return ENGINE_NOT_READY;
}

enum engine_status engine_invoke(void) { return ENGINE_NOT_READY; }

const uint32_t *engine_layer_ticks(void) { return NULL; }

const struct engine_info *engine_info(void) {
  static const struct engine_info kInfo = {
      .engine = "failing",
      .model_sha256 = "0000000000000000000000000000000000000000000000000000000000000000",
      .message = "arena too small: 32 of 48 bytes",
      .arena_bytes = sizeof arena,
      .num_inputs = 1,
      .num_outputs = 1,
      .num_layers = 1,
      .num_steps = 1,
  };
  return &kInfo;
}
