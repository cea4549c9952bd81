// Amounts of tokens: integers of 10^-8, so that 0.1 is exact and sums never drift.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::content {

/// In 10^-8 of a token.
using Units = std::int64_t;
/// Of sums over all that ever moved.
__extension__ typedef __int128 WideUnits;  // NOLINT(modernize-use-using): GCC takes __extension__ before no alias.
inline constexpr Units kToken = 100'000'000;
/// Of one transfer: a billion tokens.
inline constexpr Units kAmountMax = 1'000'000'000 * kToken;

/// `1`, `0.1`, `12.00000001`: decimal digits, at most 8 behind the point, above 0 and up to kAmountMax; nullopt for anything else.
std::optional<Units> parse_amount(std::string_view text) noexcept;
/// All eight decimals: `0.10000000`, `-3.00000000`.
std::string format_amount(Units units);
std::string format_sum(WideUnits units);

}  // namespace tidegate::content
