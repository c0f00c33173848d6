// Loads inputs, runs the engine and times it on the device.
#ifndef ESPALIER_CORE_BENCH_H_
#define ESPALIER_CORE_BENCH_H_

#include <stddef.h>
#include <stdint.h>

#include "engine.h"

namespace espalier {

// Microseconds since port_init.
uint64_t to_microseconds(uint64_t ticks);

struct Timing {
  uint64_t ticks;             // of engine_invoke alone
  uint32_t stack_peak_bytes;  // kUnknownStack where the port cannot know
};

constexpr uint32_t kUnknownStack = 0xFFFFFFFF;

// LAYERS times so many layers in one inference: their ticks lie on the stack until the reply.
constexpr unsigned kLayersAtOnce = 256;

class Bench {
 public:
  // How the bytes of an input are meant.
  enum class Encoding : uint8_t {
    kRaw,     // as the tensor's
    kPixels,  // 0 to 255; an int8 tensor holds pixel - 128
  };

  // Starts the engine; every inference answers with its reason if that fails.
  void start();

  // The input that is being collected: its bytes go to staging() before finish_input, or nowhere.
  uint8_t *staging() { return staging_.data; }
  size_t input_bytes() const { return staging_.size_bytes; }
  void begin_input() { loaded_ = false; }
  void finish_input(Encoding encoding);
  bool loaded() const { return loaded_; }

  // Whether the engine's outputs are those of the last inference.
  bool has_results() const { return has_results_; }

  // The following return nullptr, or the reason why there was no inference.
  const char *failure() const { return failure_; }
  const char *infer(Timing *timing);
  // Times layers first_layer to first_layer + kLayersAtOnce - 1, as far as there are any.
  const char *time_layers(unsigned first_layer, uint32_t ticks[kLayersAtOnce]);

 private:
  const char *prepare();
  const char *describe(enum engine_status status) const;

  struct engine_staging staging_ = {nullptr, 0};
  const char *failure_ = nullptr;
  Encoding encoding_ = Encoding::kRaw;
  bool loaded_ = false;
  bool has_results_ = false;
};

}  // namespace espalier

#endif  // ESPALIER_CORE_BENCH_H_
