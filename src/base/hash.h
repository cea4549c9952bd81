// SHA-256 and friends: fixed-size digests over bytes, and a fast hash for tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tidegate {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
std::string to_hex(const std::uint8_t* bytes, std::size_t size);
/// Two characters a byte to `out`.
void write_hex(const std::uint8_t* bytes, std::size_t size, char* out) noexcept;
std::string to_hex(const Sha256& digest);

/// RFC 2104 with SHA-256. Any length of key; of an empty one too.
Sha256 hmac_sha256(std::string_view key, std::string_view message);

/// 64-bit mix for tables; not for adversaries.
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
    // Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so no two keys collide.
    x ^= x >> 30U;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27U;
    x *= 0x94d049bb133111ebULL;
    x ^= x >> 31U;
    return x;
}

/// Equal in time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace tidegate
