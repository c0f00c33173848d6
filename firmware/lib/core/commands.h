// MLPerf Tiny's text verbs; PROTOCOL.md is the authority.
#ifndef ESPALIER_CORE_COMMANDS_H_
#define ESPALIER_CORE_COMMANDS_H_

#include <stddef.h>
#include <stdint.h>

#include "bench.h"
#include "identity.h"
#include "output.h"

namespace espalier {

constexpr size_t kMaxLine = 80;

class Commands {
 public:
  Commands(const Identity &identity, Bench &bench, Output &output);

  // What a firmware says after a reset.
  void greet();

  // Answers one command, with `m-ready` at the end. `line` has room for a terminator at line[size].
  void run(char *line, size_t size);

  void reject_long_line();

  // Something that belongs to no command and no frame.
  void reject_noise();

  // A frame has taken the place of an input that `db` was collecting.
  void abandon_load() { receiving_ = false; }

 private:
  struct Verb {
    const char *name;
    const char *help;
    void (Commands::*handle)();
  };
  static const Verb kVerbs[];

  void name();
  void profile();
  void timestamp();
  void help();
  void info();
  void db();
  void db_load();
  void db_print();
  void db_append(const char *digits);
  void infer();
  void results();

  const char *next_word();
  const char *time_iterations(uint32_t iterations, uint64_t *ticks);
  void error(const char *message);
  void line(const char *text);
  void line_with_number(const char *prefix, uint64_t number);
  void ready();

  const Identity &identity_;
  Bench &bench_;
  Output &output_;
  char *rest_ = nullptr;  // of the line, after the words that have been taken
  size_t received_ = 0;   // bytes of the input so far, of `db`
  bool receiving_ = false;
  bool pixels_;
};

}  // namespace espalier

#endif  // ESPALIER_CORE_COMMANDS_H_
