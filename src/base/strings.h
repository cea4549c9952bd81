// Small text helpers that the standard library lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tidegate {

std::string_view trim(std::string_view text) noexcept;
std::string to_lower(std::string_view ascii);
bool iequals(std::string_view a, std::string_view b) noexcept;
std::vector<std::string_view> split(std::string_view text, char separator);
/// Whole text, base 10, no sign for unsigned, no space; nullopt otherwise.
std::optional<std::int64_t> parse_i64(std::string_view text) noexcept;
std::optional<std::uint64_t> parse_u64(std::string_view text) noexcept;
std::optional<double> parse_double(std::string_view text) noexcept;
/// Levenshtein distance (Wagner-Fischer), for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);
/// Decodes %XX and, in a query, `+`; nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace tidegate
