// The aot engine behind engine.h: a generated model (model.h) and its arena.
#include "engine.h"
#include "model.h"

ENGINE_ARENA static uint8_t arena[MODEL_ARENA_BYTES];
static uint8_t staging[MODEL_INPUTS_BYTES];

_Static_assert(MODEL_ARENA_ALIGNMENT <= 16, "ENGINE_ARENA aligns to 16 bytes");
_Static_assert((int)MODEL_INT8 == (int)ENGINE_INT8, "dtype codes are passed on as they are");
_Static_assert((int)MODEL_UINT8 == (int)ENGINE_UINT8, "dtype codes are passed on as they are");
_Static_assert((int)MODEL_FLOAT32 == (int)ENGINE_FLOAT32, "dtype codes are passed on as they are");
_Static_assert((int)MODEL_INT32 == (int)ENGINE_INT32, "dtype codes are passed on as they are");
_Static_assert((int)MODEL_INT64 == (int)ENGINE_INT64, "dtype codes are passed on as they are");

static const struct engine_info kInfo = {
    .engine = "aot",
    .model_sha256 = MODEL_SHA256,
    .message = "",
    .arena_bytes = MODEL_ARENA_BYTES,
    .num_inputs = MODEL_NUM_INPUTS,
    .num_outputs = MODEL_NUM_OUTPUTS,
    .num_layers = MODEL_NUM_LAYERS,
    .num_steps = MODEL_NUM_STEPS,
};

static enum engine_status describe(const struct model_tensor *tensors, unsigned count,
                                   unsigned index, struct engine_buffer *buffer) {
  if (index >= count) {
    return ENGINE_BAD_INDEX;
  }
  const struct model_tensor *tensor = &tensors[index];
  buffer->data = arena + tensor->offset_bytes;
  buffer->size_bytes = tensor->size_bytes;
  buffer->dtype = (enum engine_dtype)tensor->dtype;
  buffer->scale = tensor->scale;
  buffer->zero_point = tensor->zero_point;
  return ENGINE_OK;
}

enum engine_status engine_init(void) { return ENGINE_OK; }

enum engine_status engine_input(unsigned index, struct engine_buffer *buffer) {
  return describe(model_inputs, MODEL_NUM_INPUTS, index, buffer);
}

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  return describe(model_outputs, MODEL_NUM_OUTPUTS, index, buffer);
}

enum engine_status engine_invoke_step(unsigned step, unsigned *layer) {
  if (step >= MODEL_NUM_STEPS) {
    return ENGINE_BAD_INDEX;
  }
  const struct model_step *part = &model_steps[step];
  *layer = part->layer;
  model_run_layer(arena, part->layer, part->first_row, part->end_row);
  return ENGINE_OK;
}

const uint32_t *engine_layer_ticks(void) { return NULL; }

enum engine_status engine_invoke(void) {
  model_run(arena);
  return ENGINE_OK;
}

struct engine_staging engine_staging(void) {
  struct engine_staging buffer = {staging, sizeof staging};
  return buffer;
}

const struct engine_info *engine_info(void) { return &kInfo; }
