// The firmware: starts the board, then the engine, then serves commands for ever.
#include "port.h"
#include "protocol.h"

namespace {

// Defined by scripts/add_sources.py.
constexpr espalier::Identity kIdentity = {ESPALIER_BUILD_ID, ESPALIER_MODEL_NAME, ESPALIER_BOARD};

}  // namespace

void firmware_main(void) {
  // Local, so that it is constructed here: bare-metal start-up code runs no static constructors.
  static espalier::Protocol protocol(kIdentity);

  port_init();
  protocol.start();
  for (;;) {
    uint8_t received[64];
    const size_t size = port_read(received, sizeof received);
    if (size == 0) {
      protocol.idle();
    } else {
      protocol.receive(received, size);
    }
  }
}
