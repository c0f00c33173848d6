// Takes the operators of tests/small_models.py's residual_network; with FAKE_NO_MEAN, not MEAN.
#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {

inline int Register_ADD_INT8() { return 0; }
inline int Register_CONV_2D_INT8() { return 0; }
inline int Register_DEPTHWISE_CONV_2D_INT8() { return 0; }
inline int Register_FULLY_CONNECTED_INT8() { return 0; }
inline int Register_SOFTMAX_INT8() { return 0; }

template <int kMost>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
  int size() const override { return size_; }
  TfLiteStatus AddAdd(int) { return add(); }
  TfLiteStatus AddConv2D(int) { return add(); }
  TfLiteStatus AddDepthwiseConv2D(int) { return add(); }
  TfLiteStatus AddFullyConnected(int) { return add(); }
  TfLiteStatus AddPad() { return add(); }
  TfLiteStatus AddSoftmax(int) { return add(); }
  TfLiteStatus AddMean() {
#ifdef FAKE_NO_MEAN
    MicroPrintf("Couldn't register builtin op #%d", 40);
    return kTfLiteError;
#else
    return add();
#endif
  }

 private:
  TfLiteStatus add() { return size_++ < kMost ? kTfLiteOk : kTfLiteError; }
  int size_ = 0;
  void operator delete(void *) {}
};

}  // namespace tflite
