// An interpreter whose every layer adds one to the first byte of the arena, which is both the input
// and the output. FAKE_ARENA_BYTES is what it needs; a first byte of 0x7D makes the second layer
// fail.
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"

#define TFLITE_SCHEMA_VERSION (3)

#ifndef FAKE_ARENA_BYTES
#define FAKE_ARENA_BYTES MODEL_ARENA_BYTES
#endif

extern "C" void DebugLog(const char *format, va_list arguments);

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
enum TfLiteType {
  kTfLiteFloat32,
  kTfLiteInt32,
  kTfLiteUInt8,
  kTfLiteInt64,
  kTfLiteInt16,
  kTfLiteInt8,
  kTfLiteString
};
enum TfLiteQuantizationType { kTfLiteNoQuantization, kTfLiteAffineQuantization };

struct TfLiteTensor {
  TfLiteType type;
  struct {
    void *data;
  } data;
  size_t bytes;
  struct {
    float scale;
    int32_t zero_point;
  } params;
  struct {
    TfLiteQuantizationType type;
  } quantization;
};

namespace tflite {

struct Model;

class MicroOpResolver {
 public:
  virtual ~MicroOpResolver() {}
  virtual int size() const = 0;
};

inline void MicroPrintf(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  DebugLog(format, arguments);
  va_end(arguments);
}

class MicroInterpreter {
 public:
  MicroInterpreter(const Model *, const MicroOpResolver &operators, uint8_t *arena, size_t size,
                   void *, MicroProfilerInterface *profiler)
      : operators_(operators), arena_(arena), size_(size), profiler_(profiler) {}

  TfLiteStatus AllocateTensors() {
    if (size_ < FAKE_ARENA_BYTES) {
      MicroPrintf("Failed to resize buffer. Requested: %u, available %zu, missing: %ld\r\n",
                  static_cast<unsigned>(FAKE_ARENA_BYTES), size_,
                  static_cast<long>(FAKE_ARENA_BYTES - size_));
      MicroPrintf("%s failed at node %d (%x)\n", "AllocateTensors", -1, 0xabU);
      return kTfLiteError;
    }
    tensor_.type = kTfLiteInt8;
    tensor_.data.data = arena_;
    tensor_.bytes = MODEL_INPUTS_BYTES;
    tensor_.params.scale = 0.5f;
    tensor_.params.zero_point = 0;
    tensor_.quantization.type = kTfLiteAffineQuantization;
    return kTfLiteOk;
  }

  TfLiteStatus Invoke() {
    for (int layer = 0; layer < MODEL_NUM_LAYERS; ++layer) {
      const uint32_t event = profiler_->BeginEvent("LAYER");
      if (layer == 1 && arena_[0] == 0x7E) {
        MicroPrintf("Node %s (number %d) failed at %f%%", "LAYER", layer, 2.75);
        return kTfLiteError;
      }
      ++arena_[0];
      profiler_->EndEvent(event);
    }
    return kTfLiteOk;
  }

  size_t inputs_size() const { return MODEL_NUM_INPUTS; }
  size_t outputs_size() const { return MODEL_NUM_OUTPUTS; }
  TfLiteTensor *input(size_t) { return &tensor_; }
  TfLiteTensor *output(size_t) { return &tensor_; }

 private:
  const MicroOpResolver &operators_;
  uint8_t *arena_;
  size_t size_;
  MicroProfilerInterface *profiler_;
  TfLiteTensor tensor_ = {};
};

}  // namespace tflite
