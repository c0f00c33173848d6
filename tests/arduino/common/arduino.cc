#include "Arduino.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

SerialPort Serial;

namespace simulated {

uint8_t *stack;
size_t stack_size;
void (*on_fault)();

}  // namespace simulated

namespace {

char **arguments;

uint64_t nanoseconds() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

void wait_for(int descriptor, short events, int milliseconds) {
  struct pollfd one = {descriptor, events, 0};
  poll(&one, 1, milliseconds);
}

void handle_fault(int) {
  simulated::on_fault();
  _exit(EXIT_FAILURE);
}

void *run(void *) {
  setup();
  for (;;) loop();
}

}  // namespace

namespace simulated {

uint32_t cycles(uint32_t per_microsecond) {
  return static_cast<uint32_t>(nanoseconds() * per_microsecond / 1000);
}

void restart(bool has_crashed) {
  setenv("SIMULATED_CRASH", has_crashed ? "1" : "0", 1);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_UNBLOCK, &all, nullptr);
  execv(arguments[0], arguments);
  _exit(EXIT_FAILURE);
}

bool crashed() {
  const char *text = getenv("SIMULATED_CRASH");
  return text != nullptr && text[0] == '1';
}

}  // namespace simulated

unsigned long micros() { return static_cast<unsigned long>(nanoseconds() / 1000); }

void delay(unsigned long milliseconds) {
  wait_for(STDIN_FILENO, 0, static_cast<int>(milliseconds));
}

void SerialPort::begin(unsigned long) {}

void SerialPort::setRxBufferSize(size_t) {}

int SerialPort::available() {
  if (holds_byte_) return 1;
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  // A millisecond, so that an idle board leaves this computer to others.
  if (poll(&input, 1, 1) <= 0) return 0;
  const ssize_t size = ::read(STDIN_FILENO, &byte_, 1);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (size <= 0) exit(EXIT_SUCCESS);  // whoever spoke with this board has gone
  holds_byte_ = true;
  return 1;
}

int SerialPort::read() {
  if (available() == 0) return -1;
  holds_byte_ = false;
  return byte_;
}

size_t SerialPort::write(const uint8_t *data, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t written = ::write(STDOUT_FILENO, data + sent, size - sent);
    if (written >= 0) {
      sent += static_cast<size_t>(written);
    } else if (errno == EAGAIN || errno == EINTR) {
      wait_for(STDOUT_FILENO, POLLOUT, 1);
    } else {
      exit(EXIT_FAILURE);
    }
  }
  return size;
}

int main(int, char **argv) {
  arguments = argv;
  // A thread of our own, because the stack of its main task is what a board measures.
  static uint8_t memory[1 << 18] __attribute__((aligned(64)));
  simulated::stack = memory;
  simulated::stack_size = sizeof memory;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, memory, sizeof memory);
  struct sigaction action = {};
  action.sa_handler = handle_fault;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
  pthread_t thread;
  pthread_create(&thread, &attributes, run, nullptr);
  pthread_join(thread, nullptr);
}
