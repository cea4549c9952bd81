// Indicative: how likely rain makes a flood where nothing but rain is known: SCS curve numbers over a continuous wetness store.
//
// Algorithm   Runoff of a day by the curve number with Ia = 0.05 S (Hawkins et al. 2002; S05 = 1.33 S20^1.15 inches), where S moves
//             from the dry to the wet end (Hawkins, Hjelmfelt, Zevenbergen 1985) with a store of past rain that loses a tenth a day.
//             Log-odds of a flood of 2 years: linear in the root of the runoff and in the wetness, with slopes from within eight
//             rain-fed gauged basins (their development rows; an intercept each).
// Limits      The intercepts of those basins differ by 2.0 in log-odds (standard deviation): that is the width of every answer, and why
//             it is called indicative. Snow, rivers from elsewhere, tides and drains are not in it.
// Guarantee   More rain or wetter ground never lowers a probability. score() gives the same for one place as for many.
// Cost        score(): nanoseconds a place, in loops that compilers turn into vector code.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace tidegate::flood {

/// The ground of a place.
struct Ground {
    double curve_number = 75;     // Of the pervious part, at mean wetness: farmland on middling soil.
    double imperviousness = 0;    // Share of the area.
    std::optional<double> slope;  // Fraction; changes the curve number (Sharpley, Williams 1990).
};

/// The two ends of a place's retention, in mm: Ia is a twentieth of it.
struct Retention {
    float dry = 0, wet = 0;
};
Retention retention_of(const Ground& ground) noexcept;

/// Wetness store, in mm of past rain.
class Wetness {
  public:
    /// From the mean rain of a day over the last 7 and 30 days; none of the two: what is usual.
    static Wetness from_means(std::optional<double> mean_7d, std::optional<double> mean_30d) noexcept;
    void add_day(double rain_mm) noexcept { store_mm_ = kKept * (store_mm_ + rain_mm); }
    /// 0 (dry) to 1.
    double level() const noexcept;
    static Wetness usual() noexcept { return Wetness(kUsualMm); }

  private:
    explicit Wetness(double store_mm) : store_mm_(store_mm) {}
    static constexpr double kKept = 0.9;      // API's k; 0.85 to 0.95 fit alike.
    static constexpr double kFullMm = 40;     // The best of 25, 40, 60 and 80 by likelihood over between-basin spread.
    static constexpr double kUsualMm = 22.5;  // 2.5 mm a day, the mean of the basins.
    /// What a mm a day on each of the days `first` to `last` ago leaves.
    static constexpr double left_of(int first, int last) {
        double power = 1;
        double sum = 0;
        for (int day = 1; day <= last; ++day) {
            power *= kKept;
            if (day >= first) sum += power;
        }
        return sum;
    }
    double store_mm_ = 0;
};

/// Many places at once, an entry each.
struct IndicativeBatch {
    std::span<const float> rain_mm, wetness, dry, wet;
    std::span<float> runoff_mm, log_odds;
};
void score(const IndicativeBatch& batch) noexcept;

/// Probabilities of floods of 2, 5 and 20 years.
std::array<double, 3> probabilities(double log_odds) noexcept;
/// Log-odds of rarer floods are so much lower: from the days over each level in the basins.
inline constexpr std::array<double, 3> kRarer{0, 1.30, 3.17};
/// Half the width of a 5 to 95 % interval in log-odds: 1.645 times the spread between basins.
inline constexpr double kIndicativeHalfWidth = 3.3;
/// What the interval grows by for each input that is not told.
inline constexpr double kWiderMissing = 1.25;

inline constexpr const char* kIndicativeVersion = "scs-cn-1";

}  // namespace tidegate::flood
