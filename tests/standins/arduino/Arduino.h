// As much of Arduino's interface as exported sketches use, for compilers of this machine: what is
// printed goes to standard output, and delay() ends the program after the first loop.
#ifndef ESPALIER_STANDINS_ARDUINO_H_
#define ESPALIER_STANDINS_ARDUINO_H_

#include <stddef.h>
#include <stdint.h>

class StandInSerial {
 public:
  void begin(unsigned long baud);
  void print(const char *text);
  void print(unsigned value);
  void print(double value, int digits);
  void println();
  void println(const char *text);
  void println(unsigned long value);
  explicit operator bool() const { return true; }
};

extern StandInSerial Serial;

unsigned long micros();
void delay(unsigned long milliseconds);
void setup();
void loop();

#endif  // ESPALIER_STANDINS_ARDUINO_H_
