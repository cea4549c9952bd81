// Risk: how likely a flood is at a place, from what is told of it and what is known of its basin.
//
// Guarantee   prepare() and finish() of one place give the same whether it comes alone or in a batch. The drivers and the baseline add
//             up to the log-odds. More rain never lowers the probability of a place.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "base/json.h"
#include "pipeline/schema.h"
#include "services/flood/flood.h"
#include "services/flood/hydro/indicative.h"
#include "services/flood/hydro/level.h"

namespace tidegate::flood {

inline constexpr std::size_t kSeriesMax = 240;  // Steps ahead: ten days of hours.

/// Up to `kMost` things in place: a batch has thousands of such lists, and memory from the allocator would cost more than the scores.
template <class Item, std::size_t kMost>
class Few {
  public:
    void push_back(const Item& item) {
        TG_ASSERT(size_ < kMost);
        items_[size_++] = item;
    }
    template <class Test>
    void erase_if(Test&& test) {
        size_ = static_cast<std::size_t>(std::remove_if(items_.begin(), items_.begin() + size_, test) - items_.begin());
    }
    std::size_t size() const noexcept { return size_; }
    const Item* begin() const noexcept { return items_.data(); }
    const Item* end() const noexcept { return items_.data() + size_; }

  private:
    std::array<Item, kMost> items_{};
    std::size_t size_ = 0;
};

/// A validated location.
struct Place {
    double latitude = 0, longitude = 0;
    std::string_view name, basin;  // Of the request's JSON, which outlives it.
    double rainfall_mm = 0;
    std::vector<double> rainfall_series;  // Empty: rainfall_mm alone.
    std::optional<double> temperature, humidity, mean_7d, mean_30d;
    std::optional<double> stage_m, flow_m3s, hand_m, tide_m;
    std::array<std::optional<double>, 4> stages;  // action, minor, moderate, major
    Ground ground;
    bool curve_number_told = false;
    std::optional<UnixMillis> date;

    /// Of the coming steps, mm; one at least.
    std::span<const double> rain() const noexcept {
        return rainfall_series.empty() ? std::span<const double>(&rainfall_mm, 1) : rainfall_series;
    }
};

struct Driver {
    std::string_view name;
    std::optional<double> value;  // In the input's own unit.
    double contribution = 0;      // To the log-odds.
};

struct Risk {
    std::string_view method;                // gauged | indicative | observed_stage
    std::string_view basin;                 // Of the BasinSet; empty: none.
    std::array<double, 3> probabilities{};  // Floods of 2, 5 and 20 years.
    double low = 0, high = 0;               // Of the first, 5 to 95 %.
    double baseline = 0, log_odds = 0;
    Level level = Level::kVeryLow;
    Few<Driver, 6> drivers;
    Few<std::string_view, 6> missing, unused;
    std::string_view version;
    std::optional<std::array<double, 3>> flow_m3s;  // 5 %, middle, 95 %.
    std::optional<double> observation_age_s;
};

/// What of a place goes through the vector code, before and after.
struct Prepared {
    Place place;
    const ServedBasin* basin = nullptr;
    Retention ground;
    double wetness = 0;
    float liquid_mm = 0;
};

pipeline::Schema place_schema();
/// Of a validated object. An error names the field.
std::optional<pipeline::FieldError> read_place(json::Value object, Place& place);
/// Finds the basin. `now`: of a place that tells no date. An error names the field: no such basin, a date before the basin's data.
std::optional<pipeline::FieldError> prepare(Prepared& prepared, const BasinSet& basins, UnixMillis now);
/// The risks of places that are prepared, in order: kAssessedMax of them at most, which stay in a processor's nearest memory.
inline constexpr std::size_t kAssessedMax = 64;
void assess(std::span<const Prepared> places, UnixMillis now, std::span<Risk> risks);

/// The members of an answer, without the braces. `predicted_at` empty: said elsewhere.
void append_risk(std::string& out, const Prepared& prepared, const Risk& risk, std::string_view predicted_at);
pipeline::Schema risk_schema();
double confidence_of(const Risk& risk) noexcept;

}  // namespace tidegate::flood
