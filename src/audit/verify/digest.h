// The verifier's own SHA-256 and hash tree: not a line shared with the code that writes the log.
//
// Algorithm   FIPS 180-4; RFC 6962 section 2.1. On x86 with the SHA extensions of the processor, else plain C++; a test holds both
//             against the published vectors and against OpenSSL.
// Threads     Pure functions; a Peaks belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tidegate::audit::verify {

using Bytes = std::span<const std::uint8_t>;
using Digest = std::array<std::uint8_t, 32>;

Digest digest(Bytes bytes) noexcept;
/// The same without the processor's extensions.
Digest digest_plain(Bytes bytes) noexcept;
/// SHA-256(0x01 || left || right).
Digest node_digest(const Digest& left, const Digest& right) noexcept;

/// A growing hash tree, as the roots of its perfect subtrees.
class Peaks {
  public:
    /// `peaks` largest first. Nothing: their number does not fit the size.
    static std::optional<Peaks> of(std::uint64_t size, std::span<const Digest> peaks) noexcept;
    void add(Digest leaf) noexcept;
    std::uint64_t size() const noexcept { return size_; }
    Digest root() const noexcept;
    /// Largest first.
    std::span<const Digest> list() const noexcept { return {peaks_.data(), depth_}; }

  private:
    std::array<Digest, 64> peaks_;
    std::size_t depth_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace tidegate::audit::verify
