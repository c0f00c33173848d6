#include "lookup_8.h"

void lookup_8(const struct lookup_params *params, const void *input, void *output) {
  const uint8_t *x = input;
  uint8_t *y = output;
  for (const uint8_t *end = x + params->size; x < end; ++x) {
    *y++ = params->table[*x];
  }
}
