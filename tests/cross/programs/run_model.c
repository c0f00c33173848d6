// Runs a generated model over the inputs of samples.h and prints its outputs, one line of hex each.
#include <string.h>

#include "model.h"
#include "samples.h"

// Of the machine.
void print(const char *text, unsigned size);

static uint8_t arena[MODEL_ARENA_BYTES] __attribute__((aligned(16)));

int main(void) {
  for (int sample = 0; sample < NUM_SAMPLES; ++sample) {
    const uint8_t *next = samples[sample];
    for (int input = 0; input < MODEL_NUM_INPUTS; ++input) {
      memcpy(arena + model_inputs[input].offset_bytes, next, model_inputs[input].size_bytes);
      next += model_inputs[input].size_bytes;
    }
    model_run(arena);
    for (int output = 0; output < MODEL_NUM_OUTPUTS; ++output) {
      const uint8_t *bytes = arena + model_outputs[output].offset_bytes;
      for (uint32_t i = 0; i < model_outputs[output].size_bytes; ++i) {
        const char digits[2] = {"0123456789abcdef"[bytes[i] >> 4],
                                "0123456789abcdef"[bytes[i] & 15]};
        print(digits, 2);
      }
    }
    print("\n", 1);
  }
  return 0;
}
