// KeyText: the text form of an API key, `tg_<public id>_<secret>`, read and made.
//
// Form        12 characters of base32 (RFC 4648 in lower case; 60 bits), 43 of base62 (32 bytes as one number, most significant
//             digit first, leading zeros kept). Fixed lengths: 59 characters. `tg_` lets scanners find a leaked key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace tidegate::pipeline {

inline constexpr std::string_view kKeyPrefix = "tg_";
inline constexpr std::size_t kPublicIdSize = 12;
inline constexpr std::size_t kSecretSize = 43;
inline constexpr std::size_t kKeySize = 3 + kPublicIdSize + 1 + kSecretSize;

/// Views into the text it was read from.
struct KeyText {
    std::uint64_t id = 0;  // The public id as a number, never 0.
    std::string_view public_id;
    std::string_view secret;
};

/// Nothing unless the text has exactly the form; no allocation.
std::optional<KeyText> parse_key(std::string_view text) noexcept;
/// The number of a public id; nothing unless it has the form.
std::optional<std::uint64_t> parse_public_id(std::string_view text) noexcept;

std::string make_public_id(Random& random);
/// 32 bytes of `random`.
std::string make_secret(Random& random);

}  // namespace tidegate::pipeline
