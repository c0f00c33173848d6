// The boundary between the firmware and an inference engine: one implementation is linked in.
//
// An engine runs a model as a sequence of steps, each of them a layer or a part of one. Between
// engine_input and the last step the memory of an input may be reused, so inputs have to be written
// again before every inference.
#ifndef ESPALIER_CORE_ENGINE_H_
#define ESPALIER_CORE_ENGINE_H_

#include <stddef.h>
#include <stdint.h>

// Goes in front of an engine's tensor arena, `ENGINE_ARENA static uint8_t arena[N];`: linker
// scripts give `.bss.arena` an output section of its own, from which the size of the arena is read.
#ifdef __APPLE__
#define ENGINE_ARENA __attribute__((aligned(16)))
#else
#define ENGINE_ARENA __attribute__((section(".bss.arena"), aligned(16)))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum engine_status {
  ENGINE_OK = 0,
  ENGINE_BAD_INDEX = 1,  // no such input, output or layer
  ENGINE_NOT_READY = 2,  // engine_init has not succeeded
  ENGINE_FAILED = 3,     // the engine cannot run this model; engine_info()->message says why
};

enum engine_dtype {
  ENGINE_INT8 = 0,
  ENGINE_UINT8 = 1,
  ENGINE_INT16 = 2,
  ENGINE_FLOAT32 = 3,
  ENGINE_INT32 = 4,
  ENGINE_INT64 = 5,
};

// An input or output of the model: its raw bytes, and what they mean:
// real = scale * (quantized - zero_point), scale finite and > 0; 1 and 0 of what is not quantized.
struct engine_buffer {
  void *data;
  size_t size_bytes;
  enum engine_dtype dtype;
  float scale;
  int32_t zero_point;
};

// Memory in which the firmware collects the inputs of the next inference; not part of the arena.
struct engine_staging {
  uint8_t *data;
  size_t size_bytes;  // of all inputs together (MODEL_INPUTS_BYTES)
};

struct engine_info {
  const char *engine;        // "aot" or "tflm"
  const char *model_sha256;  // 64 hex digits of the .tflite the model was made from
  const char *message;       // why engine_init failed; "" otherwise
  uint32_t arena_bytes;
  uint16_t num_inputs;
  uint16_t num_outputs;
  uint16_t num_layers;
  uint16_t num_steps;
};

enum engine_status engine_init(void);

// Where input `index` has to be written: raw bytes of the tensor, NHWC, in the model's dtype.
enum engine_status engine_input(unsigned index, struct engine_buffer *buffer);

// Runs one step and says of which layer, 0 to num_layers - 1, it is a part. Steps must run in
// order, 0 to num_steps - 1, after the inputs were written.
enum engine_status engine_invoke_step(unsigned step, unsigned *layer);

// Ticks of each layer in the last inference that engine_invoke_step ran, by port_ticks: from an
// engine that runs several layers in one step. NULL from one whose steps are timed from outside.
const uint32_t *engine_layer_ticks(void);

// Runs all steps in order.
enum engine_status engine_invoke(void);

// Where output `index` lies after the last step; it stays there until inputs are written again.
enum engine_status engine_output(unsigned index, struct engine_buffer *buffer);

// A static buffer that holds all inputs, one after the other in their order. Only the engine
// knows its size when it is compiled; the firmware owns its contents. Never fails.
struct engine_staging engine_staging(void);

// Never NULL; valid before engine_init, too.
const struct engine_info *engine_info(void);

#ifdef __cplusplus
}
#endif

#endif  // ESPALIER_CORE_ENGINE_H_
