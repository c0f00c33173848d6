#include "identity.h"

#include "port.h"

namespace espalier {

namespace {

constexpr unsigned kProtocolVersion = 1;

void write_string(Output &output, const char *key, const char *value) {
  output.text(",\"");
  output.text(key);
  output.text("\":\"");
  size_t length = 0;
  while (value[length] != '\0') ++length;
  output.quoted(value, length);
  output.character('"');
}

void write_number(Output &output, const char *key, uint64_t value) {
  output.text(",\"");
  output.text(key);
  output.text("\":");
  output.decimal(value);
}

void write_sizes(Output &output, const char *key, unsigned count,
                 enum engine_status (*get)(unsigned, struct engine_buffer *)) {
  output.text(",\"");
  output.text(key);
  output.text("\":[");
  for (unsigned index = 0; index < count; ++index) {
    struct engine_buffer buffer;
    if (index != 0) output.character(',');
    output.decimal(get(index, &buffer) == ENGINE_OK ? buffer.size_bytes : 0);
  }
  output.character(']');
}

}  // namespace

void write_info(Output &output, const Identity &identity, const Bench &bench) {
  const struct engine_info *engine = engine_info();
  output.text("{\"protocol\":");
  output.decimal(kProtocolVersion);
  write_string(output, "build_id", identity.build_id);
  write_string(output, "model_sha256", engine->model_sha256);
  write_string(output, "engine", engine->engine);
  write_string(output, "board", identity.board);
  write_number(output, "arena_bytes", engine->arena_bytes);
  write_sizes(output, "inputs", engine->num_inputs, engine_input);
  write_sizes(output, "outputs", engine->num_outputs, engine_output);
  write_number(output, "layers", engine->num_layers);
  write_string(output, "clock", port_clock());
  write_number(output, "ticks_per_second", port_ticks_per_second());
  uint32_t free_heap_bytes;
  if (port_free_heap_bytes(&free_heap_bytes)) {
    write_number(output, "free_heap_bytes", free_heap_bytes);
  } else {
    output.text(",\"free_heap_bytes\":null");
  }
  write_string(output, "reset_reason", port_reset_reason());
  write_string(output, "status", bench.failure() == nullptr ? "ok" : bench.failure());
  output.character('}');
}

}  // namespace espalier
