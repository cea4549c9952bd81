// Content coding: which one a client wants (RFC 9110, 12.5.3), and compressing a whole body with it.
//
// Threads     Pure functions. Compressing burns CPU: call it on a worker, never on a loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidegate::http {

enum class Coding : std::uint8_t { kIdentity, kGzip, kBrotli, kZstd };
/// The name on the wire: `identity`, `gzip`, `br`, `zstd`.
std::string_view to_string(Coding coding) noexcept;

/// The coding with the highest q-value; among equals zstd, br, gzip, identity in this order (bytes saved per microsecond,
/// measured: see compress.cpp). An empty or broken header gives identity.
Coding choose_coding(std::string_view accept_encoding) noexcept;

/// The compressed body; kInternal when the library fails (memory). kIdentity copies.
Result<std::string> compress(std::string_view body, Coding coding);

}  // namespace tidegate::http
