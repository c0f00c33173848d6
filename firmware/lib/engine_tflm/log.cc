#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

namespace espalier {

namespace {

constexpr size_t kCapacity = 192;

char text[kCapacity];
size_t used;
const char *pending = "";  // a prefix that nothing has followed yet: it is not copied in vain
bool separate;             // a message has ended; the next one needs something between

void append(char value) {
  if (used < kCapacity - 1) text[used++] = value;
  text[used] = '\0';
}

void append_pending() {
  for (; *pending != '\0'; ++pending) append(*pending);
}

void put(char value) {
  append_pending();
  if (value == '\r' || value == '\n') {
    separate = true;
    return;
  }
  if (separate) {
    separate = false;
    append(';');
    append(' ');
  }
  append(value);
}

void put_text(const char *value) {
  for (; value != nullptr && *value != '\0'; ++value) put(*value);
}

void put_number(uint64_t value, unsigned base) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count != 0) put(digits[--count]);
}

void put_signed(int64_t value) {
  if (value < 0) put('-');
  put_number(value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 10);
}

// TFLM's messages hold real numbers rarely: the whole part is enough to see what they are about.
void put_real(double value) {
  if (value > -1e18 && value < 1e18) {
    put_signed(static_cast<int64_t>(value));
  } else {
    put_text("a huge number");
  }
}

// What follows a percent sign: flags and width are skipped.
struct Conversion {
  char kind;
  unsigned longs;  // how often wider than int
};

const char *parse(const char *format, Conversion *conversion) {
  *conversion = {'\0', 0};
  for (; *format != '\0'; ++format) {
    if (*format == 'l' || *format == 'j') {
      ++conversion->longs;
    } else if (*format == 'z' || *format == 't') {
      conversion->longs = sizeof(size_t) > sizeof(long) ? 2 : 1;
    } else if ((*format < '0' || *format > '9') && *format != '.' && *format != '-' &&
               *format != 'h') {
      conversion->kind = *format;
      return format;
    }
  }
  return format - 1;
}

}  // namespace

void log_begin(const char *prefix) {
  pending = prefix;
  used = 0;
  separate = false;
  text[0] = '\0';
}

const char *log_text() {
  append_pending();
  return text;
}

// The conversions that occur in TFLM; a C library's would take several kilobytes and, where floats
// are concerned, a heap.
void log_format(const char *format, va_list arguments) {
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      put(*format);
      continue;
    }
    Conversion conversion;
    format = parse(format + 1, &conversion);
    const unsigned longs = conversion.longs;
    switch (conversion.kind) {
      case 'd':
      case 'i':
        put_signed(longs == 0   ? va_arg(arguments, int)
                   : longs == 1 ? va_arg(arguments, long)
                                : va_arg(arguments, long long));
        break;
      case 'u':
      case 'x':
        put_number(longs == 0   ? va_arg(arguments, unsigned)
                   : longs == 1 ? va_arg(arguments, unsigned long)
                                : va_arg(arguments, unsigned long long),
                   conversion.kind == 'x' ? 16 : 10);
        break;
      case 'p':
        put_number(reinterpret_cast<uintptr_t>(va_arg(arguments, void *)), 16);
        break;
      case 'c':
        put(static_cast<char>(va_arg(arguments, int)));
        break;
      case 's':
        put_text(va_arg(arguments, const char *));
        break;
      case 'e':
      case 'f':
      case 'g':
        put_real(va_arg(arguments, double));
        break;
      default:
        put(conversion.kind == '\0' ? '%' : conversion.kind);
    }
  }
}

void log_plain(const char *message) { put_text(message); }

}  // namespace espalier

// TFLM calls this; where a library brings one of its own, the linker takes this one because it
// comes first. Until 2023 TFLM formatted the message itself (micro_string.h) and handed it over.
#if __has_include("tensorflow/lite/micro/micro_string.h")
extern "C" void DebugLog(const char *message) { espalier::log_plain(message); }
#else
extern "C" void DebugLog(const char *format, va_list arguments) {
  espalier::log_format(format, arguments);
}

// Nothing that is linked needs the text of a number; without this function the library's file
// would be taken, which has a DebugLog, too.
extern "C" int DebugVsnprintf(char *buffer, size_t size, const char *, va_list) {
  if (size != 0) buffer[0] = '\0';
  return 0;
}
#endif
