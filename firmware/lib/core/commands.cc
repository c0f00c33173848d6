#include "commands.h"

#include "port.h"

namespace espalier {

namespace {

constexpr uint32_t kMaxIterations = 100000;
constexpr uint32_t kDefaultWarmup = 10;

bool equal(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

// A whole decimal number, cut off at the largest uint32; false for anything else.
bool parse_number(const char *digits, uint32_t *value) {
  uint64_t result = 0;
  if (*digits == '\0') return false;
  for (; *digits != '\0'; ++digits) {
    if (*digits < '0' || *digits > '9') return false;
    result = result * 10 + static_cast<uint32_t>(*digits - '0');
    if (result > UINT32_MAX) result = UINT32_MAX;
  }
  *value = static_cast<uint32_t>(result);
  return true;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

size_t element_bytes(enum engine_dtype dtype) {
  switch (dtype) {
    case ENGINE_INT16:
      return 2;
    case ENGINE_FLOAT32:
    case ENGINE_INT32:
      return 4;
    case ENGINE_INT64:
      return 8;
    default:
      return 1;
  }
}

// Of a quantized tensor.
int32_t element(const struct engine_buffer &buffer, size_t index) {
  switch (buffer.dtype) {
    case ENGINE_UINT8:
      return static_cast<const uint8_t *>(buffer.data)[index];
    case ENGINE_INT16:
      return static_cast<const int16_t *>(buffer.data)[index];
    default:
      return static_cast<const int8_t *>(buffer.data)[index];
  }
}

void write_integer(Output &output, int64_t value) {
  if (value < 0) output.character('-');
  output.decimal(value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value));
  output.text(".000");
}

// The real value of an element, with three decimals.
void write_value(Output &output, const struct engine_buffer &buffer, size_t index) {
  switch (buffer.dtype) {
    case ENGINE_FLOAT32: {
      const float value = static_cast<const float *>(buffer.data)[index];
      output.scaled(value < 0 ? -value : value, value < 0 ? -1 : 1);
      break;
    }
    case ENGINE_INT32:
      write_integer(output, static_cast<const int32_t *>(buffer.data)[index]);
      break;
    case ENGINE_INT64:
      write_integer(output, static_cast<const int64_t *>(buffer.data)[index]);
      break;
    default:
      output.scaled(buffer.scale, element(buffer, index) - buffer.zero_point);
  }
}

}  // namespace

const Commands::Verb Commands::kVerbs[] = {
    {"name", "name: who this is", &Commands::name},
    {"profile", "profile: benchmark and model", &Commands::profile},
    {"timestamp", "timestamp: microseconds since the start", &Commands::timestamp},
    {"help", "help: these lines", &Commands::help},
    {"info", "info: facts of this firmware as JSON", &Commands::info},
    {"db", "db load N, db HEX, db print: the input", &Commands::db},
    {"infer", "infer N W: N timed inferences after W others", &Commands::infer},
    {"results", "results: outputs of the last inference", &Commands::results},
};

Commands::Commands(const Identity &identity, Bench &bench, Output &output)
    : identity_(identity),
      bench_(bench),
      output_(output),
      // For MLPerf Tiny's two benchmarks on pictures the public runner sends pixels.
      pixels_(equal(identity.model_name, "vww01") || equal(identity.model_name, "ic01")) {}

void Commands::greet() {
  line("m-timestamp-mode-performance");
  timestamp();
  if (bench_.failure() != nullptr) error(bench_.failure());
  line("m-init-done");
  ready();
}

void Commands::run(char *line, size_t size) {
  line[size] = '\0';
  rest_ = line;
  const char *verb = next_word();
  bool known = *verb == '\0';  // an empty command asks only for m-ready
  for (const Verb &candidate : kVerbs) {
    if (!equal(verb, candidate.name)) continue;
    (this->*candidate.handle)();
    known = true;
    break;
  }
  if (!known) {
    output_.text("e-[Unknown command: ");
    output_.quoted(verb, length_of(verb));
    this->line("]");
  }
  ready();
}

void Commands::reject_long_line() {
  error("Command too long");
  ready();
}

void Commands::reject_noise() {
  error("Unknown command: ");
  ready();
}

void Commands::name() { line("m-name-dut-[espalier]"); }

void Commands::profile() {
  line("m-profile-[ULPMark for tinyML Firmware V0.0.1]");
  output_.text("m-model-[");
  output_.quoted(identity_.model_name, length_of(identity_.model_name));
  line("]");
}

void Commands::timestamp() { line_with_number("m-lap-us-", to_microseconds(port_ticks())); }

void Commands::help() {
  for (const Verb &verb : kVerbs) {
    output_.text("m-");
    line(verb.help);
  }
}

void Commands::info() {
  output_.text("m-info-");
  write_info(output_, identity_, bench_);
  line("");
}

void Commands::db() {
  const char *word = next_word();
  if (equal(word, "load")) {
    db_load();
  } else if (equal(word, "print")) {
    db_print();
  } else {
    db_append(word);
  }
}

void Commands::db_load() {
  uint32_t size;
  const char *digits = next_word();
  if (!parse_number(digits, &size) || size != bench_.input_bytes()) {
    output_.text("e-[db load takes ");
    output_.decimal(bench_.input_bytes());
    output_.text(" bytes, the whole input. Received: ");
    output_.quoted(digits, length_of(digits));
    line("]");
    return;
  }
  bench_.begin_input();
  receiving_ = true;
  received_ = 0;
  output_.text("m-[Expecting ");
  output_.decimal(size);
  line(" bytes]");
}

void Commands::db_append(const char *digits) {
  const size_t length = length_of(digits);
  if (!receiving_) {
    error("db load N comes first");
    return;
  }
  if (length == 0 || length % 2 != 0) {
    error("Insufficent number of hex digits");  // spelt as the runner knows it
    return;
  }
  if (length / 2 > bench_.input_bytes() - received_) {
    error("More bytes than db load announced");
    return;
  }
  // All digits are checked before the first byte is taken: a refused command changes nothing.
  for (size_t i = 0; i < length; i += 2) {
    if (hex_digit(digits[i]) < 0 || hex_digit(digits[i + 1]) < 0) {
      output_.text("e-[Invalid hex digit '");
      output_.quoted(digits + i, 2);
      line("']");
      return;
    }
  }
  for (size_t i = 0; i < length; i += 2) {
    bench_.staging()[received_++] =
        static_cast<uint8_t>(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1]));
  }
  if (received_ == bench_.input_bytes()) {
    receiving_ = false;
    bench_.finish_input(pixels_ ? Bench::Encoding::kPixels : Bench::Encoding::kRaw);
    line("m-load-done");
  }
}

void Commands::db_print() {
  const size_t size = bench_.loaded() ? bench_.input_bytes() : receiving_ ? received_ : 0;
  if (size == 0) {
    error("No input loaded");
    return;
  }
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) output_.text(i == 0 ? "m-buffer" : "\r\nm-buffer");
    output_.character('-');
    output_.hex_byte(bench_.staging()[i]);
  }
  line("");
}

void Commands::infer() {
  uint32_t iterations = 1;
  uint32_t warmup = kDefaultWarmup;
  const char *word = next_word();
  if (*word != '\0' && (!parse_number(word, &iterations) || iterations == 0)) {
    error("Inference iterations must be >0");
    return;
  }
  word = next_word();
  if (*word != '\0' && !parse_number(word, &warmup)) {
    error("Inference warmup must be >=0");
    return;
  }
  if (iterations > kMaxIterations || warmup > kMaxIterations) {
    error("Inference iterations and warmup must be <=100000");
    return;
  }
  if (bench_.failure() != nullptr || !bench_.loaded()) {
    error(bench_.failure() != nullptr ? bench_.failure() : "No input loaded");
    return;
  }
  line_with_number("m-warmup-start-", warmup);
  uint64_t ticks = 0;
  const char *reason = time_iterations(warmup, &ticks);
  if (reason == nullptr) {
    line("m-warmup-done");
    line_with_number("m-infer-start-", iterations);
    const uint64_t begin = port_ticks();
    line_with_number("m-lap-us-", to_microseconds(begin));
    reason = time_iterations(iterations, &ticks);
    if (reason == nullptr) {
      line_with_number("m-lap-us-", to_microseconds(begin + ticks));
      line("m-infer-done");
      results();
    }
  }
  if (reason != nullptr) error(reason);
}

// Ticks of all the inferences together, without the copying of inputs between them.
const char *Commands::time_iterations(uint32_t iterations, uint64_t *ticks) {
  *ticks = 0;
  output_.flush();
  for (uint32_t i = 0; i < iterations; ++i) {
    Timing timing;
    const char *reason = bench_.infer(&timing);
    if (reason != nullptr) return reason;
    *ticks += timing.ticks;
  }
  return nullptr;
}

void Commands::results() {
  if (!bench_.has_results()) {
    error("No inference done");
    return;
  }
  output_.text("m-results-[");
  for (unsigned index = 0; index < engine_info()->num_outputs; ++index) {
    struct engine_buffer buffer;
    if (engine_output(index, &buffer) != ENGINE_OK) continue;
    const size_t elements = buffer.size_bytes / element_bytes(buffer.dtype);
    for (size_t i = 0; i < elements; ++i) {
      if (index != 0 || i != 0) output_.character(',');
      write_value(output_, buffer, i);
    }
  }
  line("]");
}

// The next word of the line, terminated; "" at its end.
const char *Commands::next_word() {
  while (*rest_ == ' ') ++rest_;
  const char *word = rest_;
  while (*rest_ != '\0' && *rest_ != ' ') ++rest_;
  if (*rest_ == ' ') *rest_++ = '\0';
  return word;
}

void Commands::error(const char *message) {
  output_.text("e-[");
  output_.quoted(message, length_of(message));
  line("]");
}

void Commands::line(const char *text) {
  output_.text(text);
  output_.text("\r\n");
}

void Commands::line_with_number(const char *prefix, uint64_t number) {
  output_.text(prefix);
  output_.decimal(number);
  line("");
}

void Commands::ready() {
  line("m-ready");
  output_.flush();
}

}  // namespace espalier
