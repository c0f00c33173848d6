// An engine for tests, shaped by macros:
//   INIT_FAILS   engine_init fails and says why, in characters that JSON would have to escape
//   PIXELS       one input of each dtype; the output is the inputs, as the engine sees them
//   MANY_LAYERS  more layers than LAYERS times in one inference
//   REAL_VALUES  outputs of float, int32 and int64
#include <string.h>

#include "engine.h"

#ifdef MANY_LAYERS
enum { kLayers = 600 };
#else
enum { kLayers = 1 };
#endif

static uint8_t staging[6];
static int8_t first[4];
static uint8_t second[2];
static uint8_t seen[6];

enum engine_status engine_init(void) {
#ifdef INIT_FAILS
  return ENGINE_FAILED;
#else
  return ENGINE_OK;
#endif
}

enum engine_status engine_input(unsigned index, struct engine_buffer *buffer) {
  if (index > 1) return ENGINE_BAD_INDEX;
  if (index == 0) *buffer = (struct engine_buffer){first, 4, ENGINE_INT8, 0.5f, 0};
  if (index == 1) *buffer = (struct engine_buffer){second, 2, ENGINE_UINT8, 0.5f, 128};
  return ENGINE_OK;
}

#ifdef REAL_VALUES
enum { kOutputs = 3 };

static float reals[3] = {-1.5f, 0.0f, 1234.5678f};
static int32_t words[2] = {7, -2000000000};
static int64_t longs[1] = {5000000000};

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  if (index > 2) return ENGINE_BAD_INDEX;
  if (index == 0) *buffer = (struct engine_buffer){reals, 12, ENGINE_FLOAT32, 1, 0};
  if (index == 1) *buffer = (struct engine_buffer){words, 8, ENGINE_INT32, 1, 0};
  if (index == 2) *buffer = (struct engine_buffer){longs, 8, ENGINE_INT64, 1, 0};
  return ENGINE_OK;
}
#else
enum { kOutputs = 2 };

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  if (index > 1) return ENGINE_BAD_INDEX;
  if (index == 0) *buffer = (struct engine_buffer){seen, 4, ENGINE_INT8, 1.5f, -1};
  if (index == 1) *buffer = (struct engine_buffer){seen + 4, 2, ENGINE_UINT8, 1e-4f, 255};
  return ENGINE_OK;
}
#endif

struct engine_staging engine_staging(void) {
  return (struct engine_staging){staging, sizeof staging};
}

enum engine_status engine_invoke_step(unsigned step, unsigned *layer) {
  *layer = step;
  if (step == 255 || step == 256 || step == 511) {
    for (volatile int wait = 0; wait < 2000000; ++wait) {
    }
  }
  memcpy(seen, first, 4);
  memcpy(seen + 4, second, 2);
  return ENGINE_OK;
}

const uint32_t *engine_layer_ticks(void) { return NULL; }

enum engine_status engine_invoke(void) {
  unsigned layer;
  return engine_invoke_step(0, &layer);
}

const struct engine_info *engine_info(void) {
  static const struct engine_info kInfo = {
      .engine = "test",
      .model_sha256 = "",
#ifdef INIT_FAILS
      .message = "arena \"too\" small\n[1]",
#else
      .message = "",
#endif
      .arena_bytes = 0,
      .num_inputs = 2,
      .num_outputs = kOutputs,
      .num_layers = kLayers,
      .num_steps = kLayers,
  };
  return &kInfo;
}
