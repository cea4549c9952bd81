#include "performance/health.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "performance/measures.h"
#include "performance/no_value.h"

namespace tidegate::performance {
namespace {

bool is_off(const Thresholds& of) {
    return of.elevated == 0 && of.warning == 0 && of.critical == 0;
}

struct Seen {
    double value = kNoValue;
    std::string_view why;
};

/// The measure over the window, where there is enough to say.
Seen look(const Sample& window, std::string_view name) {
    const Measure* const measure = find_measure(name);
    if (measure == nullptr) return {kNoValue, "not measured"};
    const bool of_requests = name == "latency_p95_ms" || name == "error_percent";
    if (of_requests && window.requests() < Health::kRequestsMin)
        return {kNoValue, "fewer than 20 requests in the window"};
    if (name == "hit_percent") {
        const Value* const hits = window.find("cache_hits");
        const Value* const misses = window.find("cache_misses");
        if (hits == nullptr || misses == nullptr ||
            hits->sum + misses->sum < static_cast<double>(Health::kRequestsMin)) {
            return {kNoValue, "fewer than 20 look-ups of the cache in the window"};
        }
    }
    const double value = measure->of(window);
    return {value, std::isnan(value) ? "not measured" : ""};
}

}  // namespace

std::string_view to_string(State state) noexcept {
    switch (state) {
        case State::kUnknown:
            return "unknown";
        case State::kOff:
            return "off";
        case State::kHealthy:
            return "healthy";
        case State::kElevated:
            return "elevated";
        case State::kWarning:
            return "warning";
        case State::kCritical:
            return "critical";
    }
    return "unknown";
}

State Judge::level_of(double value, double clear_share) const {
    // To get better, a value has to be clear of the threshold: that far below it, or above it where low is bad.
    const auto past = [&](double threshold) {
        return high_is_bad_ ? value >= threshold * (1 - clear_share) : value <= threshold * (1 + clear_share);
    };
    if (past(thresholds_.critical)) return State::kCritical;
    if (past(thresholds_.warning)) return State::kWarning;
    return past(thresholds_.elevated) ? State::kElevated : State::kHealthy;
}

State Judge::judge(double value) {
    if (is_off(thresholds_)) return state_ = State::kOff;
    if (std::isnan(value)) {
        in_a_row_ = 0;
        return state_ = State::kUnknown;
    }
    const State strict = level_of(value, 0);
    if (state_ == State::kUnknown) {
        // Nothing was known: what is seen is what is so, but a bad state has to be seen as often as ever.
        if (strict == State::kHealthy) {
            in_a_row_ = 0;
            return state_ = strict;
        }
        // As below, the mildest of the row counts: a number that goes to and fro over a threshold is past the one beneath.
        toward_ = in_a_row_ > 0 ? std::min(toward_, strict) : strict;
        ++in_a_row_;
        if (in_a_row_ < options_.samples_to_worsen) return state_;
        in_a_row_ = 0;
        return state_ = strict;
    }
    const State clear = level_of(value, options_.clear_share);
    const State seen = strict > state_ ? strict : clear < state_ ? clear : state_;
    if (seen == state_) {
        in_a_row_ = 0;
        return state_;
    }
    // A row goes on while it points to the same side; the mildest of it counts.
    const bool worse = seen > state_;
    const bool same_side = in_a_row_ > 0 && (toward_ > state_) == worse;
    toward_ = !same_side ? seen : worse ? std::min(toward_, seen) : std::max(toward_, seen);
    in_a_row_ = same_side ? in_a_row_ + 1 : 1;
    if (in_a_row_ < (worse ? options_.samples_to_worsen : options_.samples_to_recover)) return state_;
    in_a_row_ = 0;
    return state_ = toward_;
}

Health::Health(const PerformanceSettings& s) {
    const HysteresisOptions options{.samples_to_worsen = s.samples_to_worsen,
                                    .samples_to_recover = s.samples_to_recover,
                                    .clear_share = s.hysteresis_percent / 100};
    const auto watch = [&](std::string_view name, const Thresholds& thresholds, bool high_is_bad) {
        const Measure* const measure = find_measure(name);
        watched_.push_back({.name = name,
                            .unit = measure == nullptr ? "" : measure->unit,
                            .judge = Judge(thresholds, high_is_bad, options),
                            .thresholds = thresholds,
                            .high_is_bad = high_is_bad});
    };
    watch("latency_p95_ms", s.p95_ms, true);
    watch("requests_per_second", s.requests_per_second, false);
    watch("cpu_percent", s.cpu_percent, true);
    watch("memory_percent", s.memory_percent, true);
    watch("hit_percent", s.hit_percent, false);
    watch("error_percent", s.error_percent, true);
    const Lock lock(mutex_);
    for (const Watched& one : watched_) {
        report_.metrics.push_back({.name = one.name,
                                   .unit = one.unit,
                                   .state = is_off(one.thresholds) ? State::kOff : State::kUnknown,
                                   .value = kNoValue,
                                   .thresholds = one.thresholds,
                                   .high_is_bad = one.high_is_bad,
                                   .since = 0,
                                   .why = "no sample yet"});
    }
}

void Health::judge(const Sample& sample) {
    window_.push_back(sample);
    if (window_.size() > kWindow) window_.pop_front();
    Sample all;
    for (const Sample& one : window_) all.merge(one);
    HealthReport report{.time = sample.to, .state = State::kUnknown, .metrics = {}};
    for (Watched& one : watched_) {
        const Seen seen = look(all, one.name);
        const State before = one.judge.state();
        const State now = one.judge.judge(seen.value);
        if (now != before || one.since == 0) one.since = sample.to;
        std::string_view why = now == State::kOff ? "no threshold is set" : seen.why;
        if (now == State::kUnknown && why.empty()) why = "past a threshold, not yet for long enough to say so";
        report.metrics.push_back({.name = one.name,
                                  .unit = one.unit,
                                  .state = now,
                                  .value = seen.value,
                                  .thresholds = one.thresholds,
                                  .high_is_bad = one.high_is_bad,
                                  .since = one.since,
                                  .why = why});
        if (now != State::kOff) report.state = std::max(report.state, now);
    }
    const Lock lock(mutex_);
    report_ = std::move(report);
}

HealthReport Health::read() const {
    const Lock lock(mutex_);
    return report_;
}

}  // namespace tidegate::performance
