// PerfView: the samples of the live stream, as a terminal shows them, and added up.
//
// Guarantee   Percentiles of several seconds come from added-up counts; those lie in the stream by Prometheus bucket, so one is said to be
//             no more than its bucket's upper bound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tidegate::app {

/// One sample as lines of text, no wider than `columns`.
Result<std::string> live_page(std::string_view sample, std::size_t columns, std::size_t routes_max);

class LiveTotals {
  public:
    Result<void> add(std::string_view sample);
    std::string table() const;
    std::uint64_t samples() const noexcept { return samples_; }

  private:
    /// `<= 5`, in milliseconds; `-` without requests.
    std::string quantile(double q) const;

    std::uint64_t samples_ = 0;
    double seconds_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t errors_ = 0;
    double peak_ = 0;
    double cpu_cores_ = 0;  // Times seconds.
    double resident_most_ = 0;
    double lag_most_ms_ = 0;
    std::vector<double> upper_ms_;
    std::vector<std::uint64_t> counts_;
};

}  // namespace tidegate::app
