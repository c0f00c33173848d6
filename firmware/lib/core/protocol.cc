#include "protocol.h"

#include "port.h"

namespace espalier {

namespace {

constexpr uint8_t kMagic0 = 0xA5;
constexpr uint8_t kMagic1 = 0x5A;

// Parts of a second after which a line counts as silent.
constexpr uint32_t kFrameSilence = 2;  // 500 ms
constexpr uint32_t kDropSilence = 20;  // 50 ms

}  // namespace

void Protocol::start() {
  bench_.start();
  commands_.greet();
}

void Protocol::receive(const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; ++i) take(data[i]);
  // After the answers: the time that an inference took is no silence of the line.
  last_byte_ticks_ = port_ticks();
}

void Protocol::idle() {
  // Text may come as slowly as somebody types it.
  if (state_ == State::kText) return;
  const uint32_t part = state_ == State::kDropping ? kDropSilence : kFrameSilence;
  if (port_ticks() - last_byte_ticks_ < port_ticks_per_second() / part) return;
  if (state_ == State::kMagic) commands_.reject_noise();
  if (state_ == State::kFrame) frames_.reject_incomplete();
  state_ = State::kText;
}

void Protocol::take(uint8_t byte) {
  switch (state_) {
    case State::kText:
      return take_text(byte);
    case State::kMagic:
      return take_magic(byte);
    case State::kFrame:
      return take_frame(byte);
    case State::kDropping:
      return;
  }
}

void Protocol::take_text(uint8_t byte) {
  if (byte == kMagic0) {
    // No command contains this byte, so a frame is never lost behind the rest of a broken one.
    state_ = State::kMagic;
    line_size_ = 0;
    line_too_long_ = false;
  } else if (byte == '%') {
    const size_t size = line_size_;
    line_size_ = 0;
    if (line_too_long_) {
      line_too_long_ = false;
      commands_.reject_long_line();
    } else {
      commands_.run(line_, size);
    }
  } else if (byte != '\r' && byte != '\n') {
    if (line_size_ < kMaxLine) {
      // A zero would end the line for those who read it.
      line_[line_size_++] = byte == 0 ? '?' : static_cast<char>(byte);
    } else {
      line_too_long_ = true;
    }
  }
}

void Protocol::take_magic(uint8_t byte) {
  if (byte == kMagic1) {
    state_ = State::kFrame;
    frames_.begin();
    return;
  }
  state_ = State::kText;
  commands_.reject_noise();
  take_text(byte);
}

void Protocol::take_frame(uint8_t byte) {
  const Frames::Progress progress = frames_.take(byte);
  if (frames_.touched_input()) commands_.abandon_load();
  if (progress == Frames::Progress::kDone) state_ = State::kText;
  if (progress == Frames::Progress::kRejected) state_ = State::kDropping;
}

}  // namespace espalier
