// What a firmware says about itself: `info`, and the names of other replies.
#ifndef ESPALIER_CORE_IDENTITY_H_
#define ESPALIER_CORE_IDENTITY_H_

#include "bench.h"
#include "output.h"

namespace espalier {

struct Identity {
  const char *build_id;    // 16 hex digits
  const char *model_name;  // for `profile`
  const char *board;
};

// The JSON of `info`, on one line.
void write_info(Output &output, const Identity &identity, const Bench &bench);

}  // namespace espalier

#endif  // ESPALIER_CORE_IDENTITY_H_
