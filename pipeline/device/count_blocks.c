// Counts instructions as a block hook of Unicorn: compiled and loaded by pipeline/device/count.py.
// The Python callback there does the same, some ten times slower.
#include <stdint.h>

// Where blocks may lie, as the emulator holds it in this process.
struct code_region {
  const uint8_t *bytes;
  uint32_t base, size_bytes;
  // One entry per halfword where a block may start: its size in bytes << 16 | its instructions,
  // 0 if not yet known. NULL where the code may change, as in RAM.
  uint32_t *known;
};

struct block_counter {
  uint64_t instructions;
  struct code_region regions[4];
  uint32_t num_regions;
  uint32_t outside;  // address of a block in none of the regions, plus 1; 0 if there was none
};

// Thumb instructions in `size` bytes: 32-bit ones begin with 0b11101, 0b11110 or 0b11111.
static uint32_t count_instructions(const uint8_t *code, uint32_t size) {
  uint32_t instructions = 0;
  for (uint32_t i = 0; i < size; ++instructions) i += (code[i + 1] >> 3) >= 0x1D ? 4 : 2;
  return instructions;
}

void count_block(void *uc, uint64_t address, uint32_t size, void *user_data) {
  struct block_counter *counter = user_data;
  (void)uc;
  for (uint32_t i = 0; i < counter->num_regions; ++i) {
    const struct code_region *region = &counter->regions[i];
    const uint32_t offset = (uint32_t)address - region->base;
    if (offset >= region->size_bytes || size > region->size_bytes - offset) continue;
    if (region->known == 0) {
      counter->instructions += count_instructions(region->bytes + offset, size);
      return;
    }
    uint32_t *known = &region->known[offset / 2];
    if (*known >> 16 != size)
      *known = size << 16 | count_instructions(region->bytes + offset, size);
    counter->instructions += *known & 0xFFFF;
    return;
  }
  counter->outside = (uint32_t)address + 1;
}
