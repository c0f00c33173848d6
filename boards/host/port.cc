// This computer as a board: bytes come from stdin and go to stdout, ticks are nanoseconds.
#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr uint32_t kTicksPerSecond = 1000000000;

uint64_t now() {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * kTicksPerSecond + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t started_at;

// Waits until `events` are possible; at most a millisecond, so that timeouts keep running.
void wait_for(int descriptor, short events) {
  struct pollfd descriptors = {descriptor, events, 0};
  poll(&descriptors, 1, 1);
}

}  // namespace

int main() { firmware_main(); }

void port_init(void) {
  started_at = now();
  struct termios terminal;
  if (tcgetattr(STDIN_FILENO, &terminal) == 0) {
    cfmakeraw(&terminal);
    terminal.c_lflag |= ISIG;  // a person at a terminal can still stop it
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
  }
}

uint64_t port_ticks(void) { return now() - started_at; }

uint64_t port_ticks_at_edge(void) { return port_ticks(); }  // a tick is shorter than this call

uint32_t port_ticks_per_second(void) { return kTicksPerSecond; }

const char *port_clock(void) { return "host"; }

size_t port_read(uint8_t *data, size_t capacity) {
  wait_for(STDIN_FILENO, POLLIN);
  struct pollfd descriptor = {STDIN_FILENO, POLLIN, 0};
  if (poll(&descriptor, 1, 0) <= 0) return 0;
  const ssize_t size = read(STDIN_FILENO, data, capacity);
  if (size > 0) return static_cast<size_t>(size);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  exit(EXIT_SUCCESS);  // whoever spoke with this process has gone
}

void port_write(const uint8_t *data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(STDOUT_FILENO, data, size);
    if (written >= 0) {
      data += written;
      size -= static_cast<size_t>(written);
    } else if (errno == EAGAIN || errno == EINTR) {
      wait_for(STDOUT_FILENO, POLLOUT);
    } else {
      exit(EXIT_FAILURE);
    }
  }
}

void port_stack_paint(void) {}

int port_stack_peak_bytes(uint32_t *bytes) {
  // The stack of a hosted process holds what its C library left there, too.
  *bytes = 0;
  return 0;
}

int port_free_heap_bytes(uint32_t *bytes) {
  // As much as the computer has to spare, which says nothing about the firmware.
  *bytes = 0;
  return 0;
}

const char *port_reset_reason(void) { return "power-on"; }  // a process starts but once
