// UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits; sorts by time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"

namespace tidegate {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};
    friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

Uuid make_uuid7(const Clock& clock, Random& random);
/// 36 characters, lower case: `0190b6f2-9c1e-7abc-8def-0123456789ab`.
std::string to_string(const Uuid& uuid);
std::optional<Uuid> parse_uuid(std::string_view text);
/// The time a UUIDv7 was made at.
UnixMillis unix_ms_of(const Uuid& uuid) noexcept;

/// True for 1 to 128 visible ASCII characters: what we accept as a caller's X-Request-Id.
bool is_valid_request_id(std::string_view text) noexcept;

}  // namespace tidegate
