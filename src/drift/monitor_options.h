// MonitorOptions: what a stream is compared with, how often, and how many false alarms it may raise.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "drift/window_tests.h"

namespace tidegate::drift {

inline constexpr UnixMillis kMonthMs = 30LL * 86'400'000;

struct MonitorOptions {
    std::size_t baseline = 2'000;  // Decisions of a reference, 100 to 10,000.
    std::size_t window = 1'000;    // Decisions of a window, 30 to 10,000.
    std::size_t window_min = 200;  // Of one that closes by age.
    UnixMillis look_interval_ms = 60'000;
    UnixMillis window_age_max_ms = 86'400'000;
    /// False alarms a stream may raise in 30 days on average when nothing changes: a half for the windows, a quarter each for the
    /// two detectors.
    double alarms_a_month = 1;
    double level_max = 0.01;  // Of one look, however long nobody looked.
    EffectMinima effects;
    /// Of the error rate: difference of 2 asin(sqrt(rate)), Cohen's h. From 1 % to 2 % is 0.08.
    double error_effect = 0.05;
    /// Of the latency's rank in the reference, 0 to 1; half a standard deviation of a normal feature moves its mean by 0.14.
    double rank_effect = 0.05;
    std::size_t streams_max = 200;
    std::size_t tenant_streams_max = 200;       // Of one tenant.
    UnixMillis idle_max_ms = 7LL * 86'400'000;  // A stream quiet for so long makes room for a new one.
    std::size_t replicates = 999;
    std::uint64_t seed = 1;
    /// Wasserstein and Jensen-Shannon too, which are shown and do not decide.
    bool all_tests = true;
    std::vector<std::string> numbers;  // Names of Observation::numbers.
    std::size_t baselines_kept = 10;
};

/// The minima that a shift by `deviations` standard deviations of a normal feature reaches in each test.
EffectMinima effects_of_shift(double deviations) noexcept;

}  // namespace tidegate::drift
