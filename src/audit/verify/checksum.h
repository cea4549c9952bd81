// The verifier's own CRC-32C (Castagnoli).
#pragma once

#include <cstdint>

#include "audit/verify/digest.h"

namespace tidegate::audit::verify {

/// Of `bytes` after those that gave `before`; 0 at the start.
std::uint32_t checksum(Bytes bytes, std::uint32_t before = 0) noexcept;
/// The same without the processor's instruction.
std::uint32_t checksum_plain(Bytes bytes, std::uint32_t before = 0) noexcept;

}  // namespace tidegate::audit::verify
