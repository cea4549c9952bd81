// Points: what an operation costs, in thousandths, so that 0.1 is exact and sums never drift.
//
// Guarantee   Integer arithmetic throughout; no sum of prices ever differs from the sum of its parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate {

struct Points {
    std::int64_t milli = 0;

    static constexpr Points whole(std::int64_t points) noexcept { return {points * 1000}; }
    constexpr bool is_zero() const noexcept { return milli == 0; }
    friend constexpr auto operator<=>(Points, Points) noexcept = default;
    friend constexpr Points operator+(Points a, Points b) noexcept { return {a.milli + b.milli}; }
    friend constexpr Points operator-(Points a, Points b) noexcept { return {a.milli - b.milli}; }
    constexpr Points& operator+=(Points other) noexcept {
        milli += other.milli;
        return *this;
    }
    constexpr Points& operator-=(Points other) noexcept {
        milli -= other.milli;
        return *this;
    }
};

/// `0.1`, `5`, `12.345`: decimal, at most three places, 0 to 9 billion; nullopt for anything else.
std::optional<Points> parse_points(std::string_view text) noexcept;
/// The shortest decimal: `0.1`, `5`, `-2.5`. Also a JSON number.
std::string to_string(Points points);

}  // namespace tidegate
