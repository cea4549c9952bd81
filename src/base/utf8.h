// UTF-8 (RFC 3629): checking, decoding, counting. No overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tidegate::utf8 {

inline constexpr char32_t kReplacement = 0xFFFD;

bool is_valid(std::string_view bytes) noexcept;
/// Number of code points of valid UTF-8.
std::size_t length(std::string_view text) noexcept;
/// Decodes the code point at `position` and moves past it; an invalid byte yields kReplacement and moves by one.
char32_t next(std::string_view bytes, std::size_t& position) noexcept;
void append(std::string& out, char32_t code_point);

}  // namespace tidegate::utf8
