// What the firmware sends: text and frames, numbers formatted without a C library.
#ifndef ESPALIER_CORE_OUTPUT_H_
#define ESPALIER_CORE_OUTPUT_H_

#include <stddef.h>
#include <stdint.h>

namespace espalier {

class Output {
 public:
  void bytes(const void *data, size_t size);
  void text(const char *text);
  void character(char value) { bytes(&value, 1); }

  // ASCII that came over the line or from an engine: '?' stands for everything that is not
  // printable, and for what would end a string of JSON or a reply (quote, backslash, brackets).
  void quoted(const char *text, size_t size);

  void decimal(uint64_t value);
  void hex_byte(uint8_t value);

  // scale * quantized with three decimals, exact and rounded half away from zero.
  // scale >= 0, |quantized| < 2^17; what is beyond 2^63 / 1000 is cut off there.
  void scaled(float scale, int32_t quantized);

  void little_endian(uint64_t value, size_t size);

  // Between these two, nothing is sent, only counted.
  void begin_count();
  size_t end_count();

  // A frame of exactly `length` bytes of payload, to be written between these two.
  void begin_frame(uint8_t type, uint8_t sequence, size_t length);
  void end_frame();

  // Sends what has been collected; every reply ends with it.
  void flush();

 private:
  uint8_t buffer_[64] = {};
  size_t used_ = 0;
  size_t count_ = 0;
  uint32_t crc_ = 0;
  bool counting_ = false;
};

}  // namespace espalier

#endif  // ESPALIER_CORE_OUTPUT_H_
