#include <stdio.h>
#include <stdlib.h>

#include "Arduino.h"
#include "Arduino_OV767X.h"

StandInSerial Serial;
StandInCamera Camera;

void StandInSerial::begin(unsigned long) {}
void StandInSerial::print(const char *text) { fputs(text, stdout); }
void StandInSerial::print(unsigned value) { printf("%u", value); }
void StandInSerial::print(double value, int digits) { printf("%.*f", digits, value); }
void StandInSerial::println() { puts(""); }
void StandInSerial::println(const char *text) { puts(text); }
void StandInSerial::println(unsigned long value) { printf("%lu\n", value); }

unsigned long micros() { return 0; }
void delay(unsigned long) { exit(0); }

int StandInCamera::begin(int resolution, int format, int fps, int camera_id) {
  static const unsigned kPixels[] = {640 * 480, 352 * 240, 320 * 240, 176 * 144, 160 * 120};
  frame_bytes_ = kPixels[resolution] * (format == GRAYSCALE ? 1 : 2);
  return fps == 1 && camera_id == OV7675;
}

void StandInCamera::readFrame(void *buffer) {
  if (fread(buffer, 1, frame_bytes_, stdin) != frame_bytes_) {
    exit(0);
  }
}

int main() {
  setup();
  for (;;) {
    loop();
  }
}
