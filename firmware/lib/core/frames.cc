#include "frames.h"

#include "crc32.h"

namespace espalier {

namespace {

constexpr uint8_t kRun = 0x01;
constexpr uint8_t kLayers = 0x02;
constexpr uint8_t kInfo = 0x03;
constexpr uint8_t kReply = 0x80;
constexpr uint8_t kError = 0xFF;

constexpr uint8_t kBadChecksum = 1;
constexpr uint8_t kIncomplete = 2;
constexpr uint8_t kBadLength = 3;
constexpr uint8_t kBadType = 4;
constexpr uint8_t kEngineFailed = 5;

uint32_t read_u32(const uint8_t *bytes) {
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

}  // namespace

bool Frames::carries_input() const { return type() == kRun || type() == kLayers; }

void Frames::begin() {
  stage_ = Stage::kHeader;
  for (uint8_t &byte : header_) byte = 0;
  taken_ = 0;
  crc_ = 0;
}

Frames::Progress Frames::take(uint8_t byte) {
  switch (stage_) {
    case Stage::kHeader:
      return take_header(byte);
    case Stage::kPayload:
      crc_ = crc32(crc_, &byte, 1);
      bench_.staging()[taken_++] = byte;
      if (taken_ == length_) {
        stage_ = Stage::kChecksum;
        taken_ = 0;
      }
      return Progress::kTaking;
    default:
      return take_checksum(byte);
  }
}

void Frames::reject_incomplete() { error(kIncomplete, "frame incomplete"); }

Frames::Progress Frames::take_header(uint8_t byte) {
  crc_ = crc32(crc_, &byte, 1);
  header_[taken_++] = byte;
  return taken_ == kHeaderSize ? check_header() : Progress::kTaking;
}

Frames::Progress Frames::check_header() {
  if (!carries_input() && type() != kInfo) {
    error(kBadType, "unknown type");
    return Progress::kRejected;
  }
  length_ = read_u32(header_ + 2);
  if (length_ != (carries_input() ? bench_.input_bytes() : 0)) {
    error(kBadLength, "length is not what this type takes");
    return Progress::kRejected;
  }
  // There is memory for one input only, so a frame that fails from here on leaves none loaded.
  if (carries_input()) bench_.begin_input();
  stage_ = length_ == 0 ? Stage::kChecksum : Stage::kPayload;
  taken_ = 0;
  checksum_ = 0;
  return Progress::kTaking;
}

Frames::Progress Frames::take_checksum(uint8_t byte) {
  checksum_ |= static_cast<uint32_t>(byte) << (8 * taken_++);
  if (taken_ < kChecksumSize) return Progress::kTaking;
  if (checksum_ == crc_) {
    answer();
  } else {
    error(kBadChecksum, "CRC wrong");
  }
  return Progress::kDone;
}

void Frames::answer() {
  if (carries_input()) bench_.finish_input(Bench::Encoding::kRaw);
  switch (type()) {
    case kRun:
      return answer_run();
    case kLayers:
      return answer_layers();
    default:
      return answer_info();
  }
}

void Frames::answer_run() {
  Timing timing;
  const char *reason = bench_.infer(&timing);
  if (reason != nullptr) {
    error(kEngineFailed, reason);
    return;
  }
  const unsigned outputs = engine_info()->num_outputs;
  struct engine_buffer buffer;
  size_t length = 12;
  for (unsigned index = 0; index < outputs; ++index) {
    if (engine_output(index, &buffer) != ENGINE_OK) {
      error(kEngineFailed, "the engine has no such output");
      return;
    }
    length += buffer.size_bytes;
  }
  begin_reply(length);
  output_.little_endian(timing.ticks, 8);
  output_.little_endian(timing.stack_peak_bytes, 4);
  for (unsigned index = 0; index < outputs; ++index) {
    engine_output(index, &buffer);
    output_.bytes(buffer.data, buffer.size_bytes);
  }
  output_.end_frame();
}

void Frames::answer_layers() {
  uint32_t ticks[kLayersAtOnce];
  const char *reason = bench_.time_layers(0, ticks);
  if (reason != nullptr) {
    error(kEngineFailed, reason);
    return;
  }
  const unsigned layers = engine_info()->num_layers;
  begin_reply(4 + 8 * layers);
  output_.little_endian(layers, 4);
  for (unsigned layer = 0; layer < layers; ++layer) {
    // More layers take another inference, which cannot fail after the first has not.
    if (layer != 0 && layer % kLayersAtOnce == 0) bench_.time_layers(layer, ticks);
    output_.little_endian(ticks[layer % kLayersAtOnce], 8);
  }
  output_.end_frame();
}

void Frames::answer_info() {
  output_.begin_count();
  write_info(output_, identity_, bench_);
  begin_reply(output_.end_count());
  write_info(output_, identity_, bench_);
  output_.end_frame();
}

void Frames::begin_reply(size_t length) {
  output_.begin_frame(static_cast<uint8_t>(type() + kReply), sequence(), length);
}

void Frames::error(uint8_t code, const char *message) {
  output_.begin_count();
  output_.text(message);
  output_.begin_frame(kError, sequence(), 1 + output_.end_count());
  output_.little_endian(code, 1);
  output_.text(message);
  output_.end_frame();
}

}  // namespace espalier
