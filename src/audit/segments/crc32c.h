// CRC-32C (Castagnoli, RFC 3720 B.4): tells a torn or rotten block from a whole one. No defence against intent.
//
// Algorithm   The processor's instruction (SSE4.2), 8 bytes at a time, where there is one; else tables, 8 bytes at a time
//             (slicing-by-8, Kounavis and Berry 2005). Both are tested against each other.
#pragma once

#include <cstdint>

#include "audit/segments/bytes.h"

namespace tidegate::audit::segments {

/// Of `bytes`; `before` is the CRC of what stands before them: crc32c(b, crc32c(a)) is that of a and b.
std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0) noexcept;
/// The form without the instruction, for processors that lack it, and for the test.
std::uint32_t crc32c_portable(Bytes bytes, std::uint32_t before = 0) noexcept;

}  // namespace tidegate::audit::segments
