// Counts instructions and estimated cycles as a block hook of Unicorn: compiled and loaded by
// pipeline/device/count.py. The Python callback there does the same, some ten times slower.
#include <stdint.h>

// What one pass through a block adds; pipeline/device/cycles.py explains both kinds of cycles.
struct known_block {
  uint16_t size_bytes;  // 0 if the block is not yet known
  uint16_t instructions;
  uint16_t cycles;
  uint16_t taken_cycles;
};

// Where blocks may lie, as the emulator holds it in this process.
struct code_region {
  const uint8_t *bytes;
  uint32_t base, size_bytes;
  // One entry per halfword where a block may start. NULL where the code may change, as in RAM.
  struct known_block *known;
};

struct block_counter {
  uint64_t instructions;
  uint64_t cycles;
  // Sets what there is to know of a block. NULL where only instructions are counted.
  void (*describe)(uint32_t address, struct known_block *block);
  struct code_region regions[4];
  uint32_t num_regions;
  uint32_t outside;  // address of a block in none of the regions, plus 1; 0 if there was none
  // Of the block before: where it ends, and what it costs more if the core goes on elsewhere.
  uint32_t end;
  uint32_t taken_cycles;
};

// Thumb instructions in `size` bytes: 32-bit ones begin with 0b11101, 0b11110 or 0b11111.
static uint32_t count_instructions(const uint8_t *code, uint32_t size) {
  uint32_t instructions = 0;
  for (uint32_t i = 0; i < size; ++instructions) i += (code[i + 1] >> 3) >= 0x1D ? 4 : 2;
  return instructions;
}

void count_block(void *uc, uint64_t address, uint32_t size, void *user_data) {
  struct block_counter *counter = user_data;
  const uint32_t begin = (uint32_t)address;
  (void)uc;
  for (uint32_t i = 0; i < counter->num_regions; ++i) {
    const struct code_region *region = &counter->regions[i];
    const uint32_t offset = begin - region->base;
    if (offset >= region->size_bytes || size > region->size_bytes - offset) continue;
    struct known_block fresh = {0, 0, 0, 0};
    struct known_block *block = region->known ? &region->known[offset / 2] : &fresh;
    if (block->size_bytes != size) {
      block->size_bytes = (uint16_t)size;
      if (counter->describe) {
        counter->describe(begin, block);
      } else {
        block->instructions = (uint16_t)count_instructions(region->bytes + offset, size);
      }
    }
    counter->instructions += block->instructions;
    counter->cycles += block->cycles;
    if (begin != counter->end) counter->cycles += counter->taken_cycles;
    counter->end = begin + size;
    counter->taken_cycles = block->taken_cycles;
    return;
  }
  counter->outside = begin + 1;
}
