// Binary frames with a CRC-32; PROTOCOL.md is the authority.
#ifndef ESPALIER_CORE_FRAMES_H_
#define ESPALIER_CORE_FRAMES_H_

#include <stddef.h>
#include <stdint.h>

#include "bench.h"
#include "identity.h"
#include "output.h"

namespace espalier {

// Takes one frame, byte by byte, after its magic.
class Frames {
 public:
  enum class Progress : uint8_t {
    kTaking,    // more bytes belong to this frame
    kDone,      // the frame has been answered
    kRejected,  // it has been answered, and what follows is to be dropped until the line is silent
  };

  Frames(const Identity &identity, Bench &bench, Output &output)
      : identity_(identity), bench_(bench), output_(output) {}

  void begin();
  Progress take(uint8_t byte);

  // The line has fallen silent inside the frame.
  void reject_incomplete();

  // Whether this frame has begun to overwrite the input.
  bool touched_input() const { return stage_ != Stage::kHeader && carries_input(); }

 private:
  enum class Stage : uint8_t { kHeader, kPayload, kChecksum };

  static constexpr size_t kHeaderSize = 6;
  static constexpr size_t kChecksumSize = 4;

  uint8_t type() const { return header_[0]; }
  uint8_t sequence() const { return header_[1]; }
  bool carries_input() const;

  Progress take_header(uint8_t byte);
  Progress check_header();
  Progress take_checksum(uint8_t byte);
  void answer();
  void answer_run();
  void answer_layers();
  void answer_info();
  void begin_reply(size_t length);
  void error(uint8_t code, const char *message);

  const Identity &identity_;
  Bench &bench_;
  Output &output_;
  Stage stage_ = Stage::kHeader;
  uint8_t header_[kHeaderSize] = {};
  size_t taken_ = 0;   // bytes of the present stage
  size_t length_ = 0;  // of the payload
  uint32_t crc_ = 0;
  uint32_t checksum_ = 0;
};

}  // namespace espalier

#endif  // ESPALIER_CORE_FRAMES_H_
