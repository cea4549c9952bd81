// evaluate: labelled gauges by events, and series of the Numenta benchmark by one threshold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/flood/sensor/device.h"
#include "services/flood/sensor/nab.h"

namespace tidegate::flood {

/// The default of `flood.anomaly_threshold`, chosen on the development half of labelled gauges.
inline constexpr double kTrendThreshold = 3.3;
/// The default of `flood.pattern_threshold`, chosen on the development half of the Numenta benchmark.
inline constexpr double kPatternThreshold = 2.7;
inline constexpr Thresholds kThresholds{.trend = kTrendThreshold, .pattern = kPatternThreshold};

struct LabelledSeries {
    std::vector<double> times_s, values;  // NaN: missing.
    std::vector<bool> labels;             // Empty where there are none.
};
/// CSV with `time,value,label,...` or `timestamp,value`; rows after the head.
Result<LabelledSeries> read_labelled(std::string_view csv);

/// Runs of labels of at most 96 values are events, longer ones are left out. Found: a flag within four values. Other flags, merged
/// within 16 values, are false alarms.
struct EventScore {
    std::size_t events = 0, found = 0, false_alarms = 0;
    double weeks = 0;

    double f1() const noexcept;
    void add(const EventScore& other) noexcept;
};
EventScore score_events(const LabelledSeries& series, const std::vector<bool>& flags);
/// What Device says of the series as a water level, a reading a row.
std::vector<bool> flags_of_device(const LabelledSeries& series, const Thresholds& thresholds);
/// What Device, which POST /api/v1/predict/anomaly asks, says of the series as a field of no known kind: its score where the reading is
/// an anomaly (the threshold where that is less), else 0. `with_range`: the range of the whole series is declared, which the benchmark
/// tells beforehand.
std::vector<double> scores_of_device(const LabelledSeries& series, const Thresholds& thresholds, bool with_range);

}  // namespace tidegate::flood
