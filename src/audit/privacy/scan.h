// Scan: what the matchers of redaction.cpp share: a place in a text, runs of digits with separators, the words before it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/privacy/redaction.h"

namespace tidegate::audit::privacy {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
/// Part of a word: an identifier goes on. Bytes over 127 are letters of another script, or typographic spaces; not told apart.
constexpr bool is_word(char c) noexcept {
    return is_digit(c) || is_letter(c) || c == '_';
}

/// One candidate: the text, and where it begins. Matchers answer with its end, or nothing.
struct Scan {
    std::string_view text;
    std::size_t at = 0;

    char here(std::size_t offset = 0) const noexcept { return at + offset < text.size() ? text[at + offset] : '\0'; }
    /// The byte before the candidate; '\0' at the start.
    char before(std::size_t back = 1) const noexcept { return at >= back ? text[at - back] : '\0'; }
};

/// A run of digits in groups with separators: `(030) 123-45` has the groups 030, 123, 45. At most kDigits digits in kGroups groups.
struct NumberRun {
    static constexpr std::size_t kDigits = 20;
    static constexpr std::size_t kGroups = 10;
    std::array<char, kDigits> digits{};
    std::size_t count = 0;
    std::size_t groups = 0;
    std::array<std::uint8_t, kGroups> sizes{};
    /// After each group: the separator that leads to the next one (`-`, ` `, `.`, `/`, `)`; '\0' after the last).
    std::array<char, kGroups> separators{};
    std::array<std::size_t, kGroups> ends{};  // Byte after each group.
    bool cut = false;                         // It goes on beyond the bounds.

    std::string_view first(std::size_t digits_wanted) const noexcept { return {digits.data(), digits_wanted}; }
    /// Digits of the first `n` groups.
    std::size_t sum(std::size_t n) const noexcept;
    /// All separators within the first `n` groups are the same.
    bool even(std::size_t n) const noexcept;
};
NumberRun read_run(std::string_view text, std::size_t at) noexcept;

/// Whether `end` is a good end: no letter, digit or `_` goes on, nor a `.` or `-` with a digit behind it.
bool ends_well(std::string_view text, std::size_t end) noexcept;

/// What the last words before `at` announce.
enum class Announced : std::uint8_t { kNothing, kPhone, kNumber, kVersion, kSsn, kBsn, kTax };
Announced announced(std::string_view text, std::size_t at) noexcept;
/// A currency or a unit before `at` or after `end`: an amount.
bool is_amount(std::string_view text, std::size_t at, std::size_t end) noexcept;

struct Match {
    std::size_t end = 0;
    PiiClass which{};
    const char* kind = "";
};
using MaybeMatch = std::optional<Match>;

// match_address.cpp
/// `at` is an `@`; gives begin and end.
std::optional<Finding> match_email(std::string_view text, std::size_t at, std::size_t floor) noexcept;
MaybeMatch match_ipv4(const Scan& scan) noexcept;
MaybeMatch match_ipv6(const Scan& scan) noexcept;
// match_number.cpp
MaybeMatch match_card(const Scan& scan, const NumberRun& run) noexcept;
MaybeMatch match_iban(const Scan& scan) noexcept;
// match_id.cpp
/// National ids that begin with a digit.
MaybeMatch match_numeric_id(const Scan& scan, const NumberRun& run) noexcept;
/// Those that begin with a letter.
MaybeMatch match_letter_id(const Scan& scan) noexcept;
// match_phone.cpp
/// `at` is a digit, `+` or `(`.
MaybeMatch match_phone(const Scan& scan, const NumberRun& run) noexcept;

/// End of a date, a time or a dotted number of another kind that begins at `at`; 0: none. Nothing in it is a phone number.
std::size_t end_of_date(const Scan& scan, const NumberRun& run) noexcept;

}  // namespace tidegate::audit::privacy
