// Tells text commands from binary frames, and recovers whatever arrives; PROTOCOL.md is the
// authority.
#ifndef ESPALIER_CORE_PROTOCOL_H_
#define ESPALIER_CORE_PROTOCOL_H_

#include <stddef.h>
#include <stdint.h>

#include "bench.h"
#include "commands.h"
#include "frames.h"
#include "identity.h"
#include "output.h"

namespace espalier {

class Protocol {
 public:
  explicit Protocol(const Identity &identity)
      : commands_(identity, bench_, output_), frames_(identity, bench_, output_) {}

  // Starts the engine and says hello.
  void start();

  // Takes what has arrived, and answers what has become complete.
  void receive(const uint8_t *data, size_t size);

  // Nothing has arrived since the last call; to be called again and again.
  void idle();

 private:
  enum class State : uint8_t {
    kText,      // inside a command, or before one
    kMagic,     // after an A5
    kFrame,     // after A5 5A
    kDropping,  // until the line has been silent
  };

  void take(uint8_t byte);
  void take_text(uint8_t byte);
  void take_magic(uint8_t byte);
  void take_frame(uint8_t byte);

  Output output_;
  Bench bench_;
  Commands commands_;
  Frames frames_;
  State state_ = State::kText;
  bool line_too_long_ = false;
  size_t line_size_ = 0;
  char line_[kMaxLine + 1] = {};
  uint64_t last_byte_ticks_ = 0;
};

}  // namespace espalier

#endif  // ESPALIER_CORE_PROTOCOL_H_
