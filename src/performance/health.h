// Health: which numbers are past their thresholds, judged over the last minute, with hysteresis.
//
// Guarantee   A number without data is `unknown`, never `healthy`. A state gets worse after samples_to_worsen samples in a row past a
//             threshold, better after samples_to_recover in a row that are hysteresis_percent clear of it; in between it stays.
// Judged      Of the last six samples together: percentiles, shares and rates of a minute; below kRequestsMin requests (look-ups of the
//             cache) there is too little data to say.
// Threads     judge() on the recorder's; read() on any.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "performance/sample.h"
#include "performance/settings.h"

namespace tidegate::performance {

enum class State : std::uint8_t { kUnknown, kOff, kHealthy, kElevated, kWarning, kCritical };
/// `unknown`, `off` (not judged), `healthy`, `elevated`, `warning`, `critical`.
std::string_view to_string(State state) noexcept;

struct HysteresisOptions {
    std::uint32_t samples_to_worsen = 2;
    std::uint32_t samples_to_recover = 6;
    double clear_share = 0.1;
};

/// One number's state.
class Judge {
  public:
    Judge(const Thresholds& thresholds, bool high_is_bad, const HysteresisOptions& options)
        : thresholds_(thresholds), high_is_bad_(high_is_bad), options_(options) {}
    /// NaN: no data.
    State judge(double value);
    State state() const noexcept { return state_; }

  private:
    State level_of(double value, double clear_share) const;
    const Thresholds thresholds_;
    const bool high_is_bad_;
    const HysteresisOptions options_;
    State state_ = State::kUnknown;
    State toward_ = State::kUnknown;
    std::uint32_t in_a_row_ = 0;
};

struct Judged {
    std::string_view name;  // Of a measure.
    std::string_view unit;
    State state = State::kUnknown;
    double value = 0;  // NaN: no data.
    Thresholds thresholds;
    bool high_is_bad = true;
    UnixMillis since = 0;  // Of the state.
    std::string_view why;  // Why it is unknown or off.
};

struct HealthReport {
    UnixMillis time = 0;  // 0: before the first sample.
    State state = State::kUnknown;
    std::vector<Judged> metrics;
};

class Health {
  public:
    static constexpr std::size_t kWindow = 6;  // Samples.
    static constexpr std::uint64_t kRequestsMin =
        20;  // The least of which one is a twentieth: what a 95th percentile needs.

    explicit Health(const PerformanceSettings& settings);
    void judge(const Sample& sample);
    HealthReport read() const;

  private:
    struct Watched {
        std::string_view name;
        std::string_view unit;
        Judge judge;
        Thresholds thresholds;
        bool high_is_bad;
        UnixMillis since = 0;
    };
    std::vector<Watched> watched_;
    std::deque<Sample> window_;
    mutable Mutex mutex_;
    HealthReport report_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::performance
