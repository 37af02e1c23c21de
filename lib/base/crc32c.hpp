// crc32c.hpp: CRC-32C (Castagnoli), the checksum of iSCSI and ext4: RFC 3720, appendix B.4.
// It finds damage, and no attacker: whoever can change bytes can change their checksum.
//
// The library depends on libc only, which has none, so this is its own: eight tables at a time (Kounavis and Berry's
// "slicing by 8"), or the instruction that x86-64 and arm64 machines have for it, found when the library runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace akv {

// The checksum of what `before` is the checksum of (0: nothing), followed by these bytes.
using Crc32c = std::uint32_t(std::uint32_t before, const void *data, std::size_t bytes) noexcept;

Crc32c crc32c;  // the best of these two on this machine
Crc32c crc32c_by_tables;
// NULL where the machine has no such instruction.
Crc32c *crc32c_by_instruction() noexcept;

}  // namespace akv
