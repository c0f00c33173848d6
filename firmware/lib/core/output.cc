#include "output.h"

#include "crc32.h"
#include "divide.h"
#include "port.h"

namespace espalier {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

bool is_plain(char c) {
  return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '[' && c != ']';
}

// A float as mantissa * 2^exponent, exact; of a finite number that is not negative.
struct Binary {
  uint64_t mantissa;
  int exponent;
};

Binary decompose(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  const uint32_t fraction = bits & 0x7FFFFF;
  const int biased = static_cast<int>((bits >> 23) & 0xFF);
  if (biased == 0) return {fraction, -149};
  return {fraction | 0x800000, biased - 150};
}

// value * 2^exponent, rounded half up; cut off at the largest int64.
uint64_t scale_by_power_of_two(uint64_t value, int exponent) {
  constexpr uint64_t kMax = INT64_MAX;
  if (exponent >= 0) {
    for (; exponent > 0 && value <= kMax / 2; --exponent) value *= 2;
    return exponent > 0 && value != 0 ? kMax : value;
  }
  if (exponent < -62) return 0;
  return (value + (UINT64_C(1) << (-exponent - 1))) >> -exponent;
}

}  // namespace

void Output::bytes(const void *data, size_t size) {
  if (counting_) {
    count_ += size;
    return;
  }
  const uint8_t *next = static_cast<const uint8_t *>(data);
  crc_ = crc32(crc_, next, size);
  for (size_t i = 0; i < size; ++i) {
    if (used_ == sizeof buffer_) flush();
    buffer_[used_++] = next[i];
  }
}

void Output::text(const char *text) { bytes(text, length_of(text)); }

void Output::quoted(const char *text, size_t size) {
  for (size_t i = 0; i < size; ++i) character(is_plain(text[i]) ? text[i] : '?');
}

void Output::decimal(uint64_t value) {
  char digits[20];
  size_t first = sizeof digits;
  // Nine digits at a time, so that all but the largest numbers need 32-bit divisions only.
  while (value > UINT32_MAX) {
    const Quotient split = divide(value, 1000000000);
    uint32_t low = split.remainder;
    for (int i = 0; i < 9; ++i, low /= 10) digits[--first] = static_cast<char>('0' + low % 10);
    value = split.quotient;
  }
  uint32_t high = static_cast<uint32_t>(value);
  do {
    digits[--first] = static_cast<char>('0' + high % 10);
    high /= 10;
  } while (high != 0);
  bytes(digits + first, sizeof digits - first);
}

void Output::hex_byte(uint8_t value) {
  character(kHexDigits[value >> 4]);
  character(kHexDigits[value & 15]);
}

void Output::scaled(float scale, int32_t quantized) {
  const Binary binary = decompose(scale);
  const bool negative = quantized < 0;
  const uint64_t magnitude = negative ? -static_cast<uint64_t>(quantized) : quantized;
  const uint64_t thousandths =
      scale_by_power_of_two(binary.mantissa * magnitude * 1000, binary.exponent);
  if (negative && thousandths != 0) character('-');
  const Quotient split = divide(thousandths, 1000);
  const uint32_t rest = split.remainder;
  const char decimals[] = {'.', static_cast<char>('0' + rest / 100),
                           static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10)};
  decimal(split.quotient);
  bytes(decimals, sizeof decimals);
}

void Output::little_endian(uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    const uint8_t byte = static_cast<uint8_t>(value >> (8 * i));
    bytes(&byte, 1);
  }
}

void Output::begin_count() {
  count_ = 0;
  counting_ = true;
}

size_t Output::end_count() {
  counting_ = false;
  return count_;
}

void Output::begin_frame(uint8_t type, uint8_t sequence, size_t length) {
  little_endian(0x5AA5, 2);
  crc_ = 0;
  little_endian(type, 1);
  little_endian(sequence, 1);
  little_endian(length, 4);
}

void Output::end_frame() {
  little_endian(crc_, 4);
  flush();
}

void Output::flush() {
  port_write(buffer_, used_);
  used_ = 0;
}

}  // namespace espalier
