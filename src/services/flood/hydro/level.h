// Level: the word for a flood risk, by the rule of GloFAS.
//
// Source      Copernicus Emergency Management Service, GloFAS: purple where the 20-year flood is likelier than 30 %, else red where the
//             5-year one is, else yellow where the 2-year one is. Below that it has no word; ours is `low` from 10 % on.
#pragma once

#include <array>
#include <string_view>

namespace tidegate::flood {

enum class Level : unsigned char { kVeryLow, kLow, kModerate, kHigh, kExtreme };

/// `probabilities` of floods of 2, 5 and 20 years.
constexpr Level level_of(const std::array<double, 3>& probabilities) noexcept {
    constexpr double kCalled = 0.3;
    if (probabilities[2] > kCalled) return Level::kExtreme;
    if (probabilities[1] > kCalled) return Level::kHigh;
    if (probabilities[0] > kCalled) return Level::kModerate;
    return probabilities[0] > 0.1 ? Level::kLow : Level::kVeryLow;
}

constexpr std::string_view to_string(Level level) noexcept {
    switch (level) {
        case Level::kVeryLow:
            return "very_low";
        case Level::kLow:
            return "low";
        case Level::kModerate:
            return "moderate";
        case Level::kHigh:
            return "high";
        case Level::kExtreme:
            break;
    }
    return "extreme";
}

}  // namespace tidegate::flood
