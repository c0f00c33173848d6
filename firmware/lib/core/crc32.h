// CRC-32 of IEEE 802.3, as zlib's crc32.
#ifndef ESPALIER_CORE_CRC32_H_
#define ESPALIER_CORE_CRC32_H_

#include <stddef.h>
#include <stdint.h>

namespace espalier {

// Continues `crc` (0 for the first piece) over `size` bytes.
uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size);

}  // namespace espalier

#endif  // ESPALIER_CORE_CRC32_H_
