// The tflm engine behind engine.h: TensorFlow Lite Micro's (TFLM) interpreter over a generated
// model (model.h), in an arena of the size that the generator predicted.
#include <new>

#include "engine.h"
#include "log.h"
#include "model.h"
#include "port.h"
#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef TF_LITE_STATIC_MEMORY
#error "TFLM and this file must be compiled with TF_LITE_STATIC_MEMORY: set it in build_flags."
#endif

namespace {

ENGINE_ARENA uint8_t arena[MODEL_ARENA_BYTES];
uint8_t staging[MODEL_INPUTS_BYTES];
uint32_t layer_ticks[MODEL_NUM_LAYERS];

// Times the operators of an inference, if it is told to: TFLM calls it around each of them.
class LayerClock : public tflite::MicroProfilerInterface {
 public:
  LayerClock() = default;

  void start() {
    layer_ = 0;
    running_ = true;
  }
  void stop() { running_ = false; }

  uint32_t BeginEvent(const char *) override {
    if (running_) begin_ = port_ticks_at_edge();
    return 0;
  }

  void EndEvent(uint32_t) override {
    if (running_ && layer_ < MODEL_NUM_LAYERS) {
      layer_ticks[layer_++] = static_cast<uint32_t>(port_ticks() - begin_);
    }
  }

 private:
  unsigned layer_ = 0;
  bool running_ = false;
  uint64_t begin_ = 0;

  TF_LITE_REMOVE_VIRTUAL_DELETE
};

// Objects with virtual functions live here, so that nothing is constructed before engine_init and
// nothing ever destroyed: bare-metal start-up code does neither.
template <typename T>
struct Room {
  alignas(T) unsigned char bytes[sizeof(T)];
};
Room<LayerClock> clock_room;
Room<tflite::MicroInterpreter> interpreter_room;

LayerClock *layer_clock;
tflite::MicroInterpreter *interpreter;  // nullptr until the engine is ready

struct engine_info info = {
    "tflm",
    MODEL_SHA256,
    "",
    MODEL_ARENA_BYTES,
    MODEL_NUM_INPUTS,
    MODEL_NUM_OUTPUTS,
    MODEL_NUM_LAYERS,
    1,
};

enum engine_status fail() {
  info.message = espalier::log_text();
  return ENGINE_FAILED;
}

enum engine_status describe(const TfLiteTensor *tensor, struct engine_buffer *buffer) {
  switch (tensor->type) {
    case kTfLiteInt8:
      buffer->dtype = ENGINE_INT8;
      break;
    case kTfLiteUInt8:
      buffer->dtype = ENGINE_UINT8;
      break;
    case kTfLiteInt16:
      buffer->dtype = ENGINE_INT16;
      break;
    case kTfLiteInt32:
      buffer->dtype = ENGINE_INT32;
      break;
    case kTfLiteInt64:
      buffer->dtype = ENGINE_INT64;
      break;
    case kTfLiteFloat32:
      buffer->dtype = ENGINE_FLOAT32;
      break;
    default:
      return ENGINE_FAILED;
  }
  const bool quantized = tensor->quantization.type == kTfLiteAffineQuantization;
  buffer->data = tensor->data.data;
  buffer->size_bytes = tensor->bytes;
  buffer->scale = quantized ? tensor->params.scale : 1.0f;
  buffer->zero_point = quantized ? tensor->params.zero_point : 0;
  return ENGINE_OK;
}

enum engine_status invoke() {
  if (interpreter == nullptr) return ENGINE_NOT_READY;
  info.message = "";
  espalier::log_begin("TFLM cannot run the model: ");
  return interpreter->Invoke() == kTfLiteOk ? ENGINE_OK : fail();
}

}  // namespace

enum engine_status engine_init(void) {
  const tflite::Model *model = tflite::GetModel(model_tflite);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    espalier::log_begin("the model's schema version is not the one that TFLM reads");
    return fail();
  }
  espalier::log_begin("TFLM cannot register an operator: ");
  const tflite::MicroOpResolver *operators = model_operators();
  if (operators == nullptr) return fail();
  layer_clock = new (clock_room.bytes) LayerClock;
  espalier::log_begin("TFLM cannot allocate its tensors: ");
  tflite::MicroInterpreter *made = new (interpreter_room.bytes)
      tflite::MicroInterpreter(model, *operators, arena, sizeof arena, nullptr, layer_clock);
  if (made->AllocateTensors() != kTfLiteOk) return fail();
  if (made->inputs_size() != MODEL_NUM_INPUTS || made->outputs_size() != MODEL_NUM_OUTPUTS) {
    espalier::log_begin("the model has other inputs or outputs than its sources say");
    return fail();
  }
  interpreter = made;
  return ENGINE_OK;
}

enum engine_status engine_input(unsigned index, struct engine_buffer *buffer) {
  if (interpreter == nullptr) return ENGINE_NOT_READY;
  if (index >= MODEL_NUM_INPUTS) return ENGINE_BAD_INDEX;
  return describe(interpreter->input(index), buffer);
}

enum engine_status engine_output(unsigned index, struct engine_buffer *buffer) {
  if (interpreter == nullptr) return ENGINE_NOT_READY;
  if (index >= MODEL_NUM_OUTPUTS) return ENGINE_BAD_INDEX;
  return describe(interpreter->output(index), buffer);
}

// TFLM runs the whole model at once: one step, in which it calls the clock for each layer.
enum engine_status engine_invoke_step(unsigned step, unsigned *layer) {
  if (interpreter == nullptr) return ENGINE_NOT_READY;
  if (step != 0) return ENGINE_BAD_INDEX;
  *layer = 0;
  layer_clock->start();
  const enum engine_status status = invoke();
  layer_clock->stop();
  return status;
}

const uint32_t *engine_layer_ticks(void) { return layer_ticks; }

enum engine_status engine_invoke(void) { return invoke(); }

struct engine_staging engine_staging(void) {
  struct engine_staging buffer = {staging, sizeof staging};
  return buffer;
}

const struct engine_info *engine_info(void) { return &info; }
