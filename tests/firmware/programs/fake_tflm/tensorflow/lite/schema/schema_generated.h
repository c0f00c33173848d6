#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"

#ifndef FAKE_SCHEMA
#define FAKE_SCHEMA TFLITE_SCHEMA_VERSION
#endif

namespace tflite {

struct Model {
  unsigned version() const { return FAKE_SCHEMA; }
};

inline const Model *GetModel(const void *data) { return static_cast<const Model *>(data); }

}  // namespace tflite
