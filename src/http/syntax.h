// The character classes of RFC 9110 and 9112, shared by the parsers of this room.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tidegate::http {

/// What a reader found wrong: the status to answer and a sentence for the client (static text).
struct SyntaxError {
    int status = 400;
    std::string_view detail;
};

namespace syntax {

inline constexpr std::uint8_t kTokenChar = 1;   // tchar
inline constexpr std::uint8_t kValueChar = 2;   // VCHAR, SP, HTAB, obs-text
inline constexpr std::uint8_t kTargetChar = 4;  // Visible ASCII except '#': a fragment never travels.

inline constexpr std::array<std::uint8_t, 256> kClasses = [] {
    std::array<std::uint8_t, 256> table{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool visible = c > 0x20 && c < 0x7F;
        const bool alpha_numeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const bool token =
            alpha_numeric || (visible && std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c)));
        std::uint8_t bits = 0;
        if (token) bits |= kTokenChar;
        if (visible || c == ' ' || c == '\t' || c >= 0x80) bits |= kValueChar;
        if (visible && c != '#') bits |= kTargetChar;
        table[c] = bits;
    }
    return table;
}();

/// Every byte of `text` belongs to the class.
inline bool all(std::string_view text, std::uint8_t character_class) noexcept {
    std::uint8_t common = character_class;
    for (const char c : text) common &= kClasses[static_cast<unsigned char>(c)];
    return (common & character_class) != 0;
}
inline bool is_token(std::string_view text) noexcept {
    return !text.empty() && all(text, kTokenChar);
}

/// Without the spaces and tabs around it.
inline std::string_view trim_blank(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace syntax
}  // namespace tidegate::http
