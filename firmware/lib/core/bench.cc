#include "bench.h"

#include <string.h>

#include "divide.h"
#include "port.h"

namespace espalier {

uint64_t to_microseconds(uint64_t ticks) {
  // Seconds first: ticks * 10^6 would overflow after some hours of nanosecond ticks.
  const uint32_t rate = port_ticks_per_second();
  const Quotient seconds = divide(ticks, rate);
  return seconds.quotient * 1000000 + divide(UINT64_C(1000000) * seconds.remainder, rate).quotient;
}

void Bench::start() {
  staging_ = engine_staging();
  const enum engine_status status = engine_init();
  if (status != ENGINE_OK) failure_ = describe(status);
}

void Bench::finish_input(Encoding encoding) {
  encoding_ = encoding;
  loaded_ = true;
}

const char *Bench::infer(Timing *timing) {
  port_stack_paint();
  const char *reason = prepare();
  if (reason != nullptr) return reason;
  const uint64_t begin = port_ticks_at_edge();
  const enum engine_status status = engine_invoke();
  timing->ticks = port_ticks() - begin;
  if (!port_stack_peak_bytes(&timing->stack_peak_bytes)) timing->stack_peak_bytes = kUnknownStack;
  if (status != ENGINE_OK) return describe(status);
  has_results_ = true;
  return nullptr;
}

const char *Bench::time_layers(unsigned first_layer, uint32_t ticks[kLayersAtOnce]) {
  const char *reason = prepare();
  if (reason != nullptr) return reason;
  memset(ticks, 0, kLayersAtOnce * sizeof ticks[0]);
  for (unsigned step = 0; step < engine_info()->num_steps; ++step) {
    unsigned layer = 0;
    const uint64_t begin = port_ticks_at_edge();
    const enum engine_status status = engine_invoke_step(step, &layer);
    const uint64_t end = port_ticks();
    if (status != ENGINE_OK) return describe(status);
    // Below first_layer the difference wraps round to more than any count.
    if (layer - first_layer < kLayersAtOnce) {
      ticks[layer - first_layer] += static_cast<uint32_t>(end - begin);
    }
  }
  const uint32_t *measured = engine_layer_ticks();
  if (measured != nullptr) {
    const unsigned end = engine_info()->num_layers;
    for (unsigned layer = first_layer; layer < end && layer - first_layer < kLayersAtOnce;
         ++layer) {
      ticks[layer - first_layer] = measured[layer];
    }
  }
  has_results_ = true;
  return nullptr;
}

// Copies the loaded input to the engine.
const char *Bench::prepare() {
  if (failure_ != nullptr) return failure_;
  if (!loaded_) return "No input loaded";
  has_results_ = false;
  const uint8_t *next = staging_.data;
  for (unsigned index = 0; index < engine_info()->num_inputs; ++index) {
    struct engine_buffer input;
    const enum engine_status status = engine_input(index, &input);
    if (status != ENGINE_OK) return describe(status);
    memcpy(input.data, next, input.size_bytes);
    if (encoding_ == Encoding::kPixels && input.dtype == ENGINE_INT8) {
      uint8_t *bytes = static_cast<uint8_t *>(input.data);
      for (size_t i = 0; i < input.size_bytes; ++i) bytes[i] ^= 0x80;  // pixel - 128
    }
    next += input.size_bytes;
  }
  return nullptr;
}

const char *Bench::describe(enum engine_status status) const {
  const char *message = engine_info()->message;
  if (message[0] != '\0') return message;
  switch (status) {
    case ENGINE_BAD_INDEX:
      return "the engine has no such tensor or layer";
    case ENGINE_NOT_READY:
      return "the engine has not started";
    default:
      return "the engine failed";
  }
}

}  // namespace espalier
