// Crashes of the Nano 33 BLE: caught, carried over the reset, and told to who asks.
#ifndef ESPALIER_NANO33_CRASH_H_
#define ESPALIER_NANO33_CRASH_H_

namespace espalier {

struct Crash {
  bool happened;
  const char *report;  // a line of the protocol, CR LF included; NULL where nothing is known
};

// What the run before this one ended with, and forgets it.
Crash take_crash();

// From here on, faults and errors of Mbed OS restart the board instead of stopping it for ever.
void catch_crashes();

}  // namespace espalier

#endif  // ESPALIER_NANO33_CRASH_H_
