// Part of a test double of TensorFlow Lite Micro: just what engine_tflm.cc uses.
#pragma once
#define TF_LITE_REMOVE_VIRTUAL_DELETE \
  void operator delete(void *) {}
