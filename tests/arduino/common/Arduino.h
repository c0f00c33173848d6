// A stand-in for the part of the Arduino API that our ports use: the serial port is stdin and
// stdout, time is this computer's.
#ifndef ESPALIER_TESTS_ARDUINO_H_
#define ESPALIER_TESTS_ARDUINO_H_

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// The ESP32's core adds to the API.
#if __has_include("esp32.h")
#include "esp32.h"
#endif

void setup();
void loop();

unsigned long micros();
void delay(unsigned long milliseconds);

class SerialPort {
 public:
  void begin(unsigned long baud);
  void setRxBufferSize(size_t size);
  int available();
  int read();
  size_t write(const uint8_t *data, size_t size);
  operator bool() const { return true; }

 private:
  uint8_t byte_ = 0;
  bool holds_byte_ = false;
};

extern SerialPort Serial;

// The main task, as the stand-ins of operating systems show it.
namespace simulated {

extern uint8_t *stack;
extern size_t stack_size;

// Of a counter that counts so many cycles a microsecond.
uint32_t cycles(uint32_t per_microsecond);

// Starts the program anew; `crashed` is what the next start finds in crashed().
[[noreturn]] void restart(bool crashed);
bool crashed();

// What the board does when a program touches memory that it has not.
extern void (*on_fault)();

}  // namespace simulated

#endif  // ESPALIER_TESTS_ARDUINO_H_
