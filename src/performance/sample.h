// Sample: what happened between two moments, in a form in which many are one: counts, sums, and levels with their range.
//
// Guarantee   merge() of the samples of a period is the sample of the period: counts add up, percentiles come from added counts.
// Memory      docs/performance.md says what they take, packed.
// Threads     Values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "performance/distribution.h"

namespace tidegate::performance {

/// A number of the server over some samples: of a total, what it grew by in each; of a level, what it was at the end of each.
struct Value {
    std::uint64_t samples = 0;
    double sum = 0;
    double least = 0;
    double most = 0;
    double last = 0;
    double mean() const noexcept { return sum / static_cast<double>(samples); }
    void merge(const Value& later);
    static Value of(double one) { return {1, one, one, one, one}; }
    friend bool operator==(const Value&, const Value&) = default;
};

/// Of a route's requests: the time one stage took, in all and in those that were slow (over the route's 95th percentile of the sample
/// before).
struct StageShare {
    std::string stage;
    std::uint64_t requests = 0;
    std::uint64_t ns = 0;
    std::uint64_t slow_ns = 0;
    friend bool operator==(const StageShare&, const StageShare&) = default;
};

struct RouteSample {
    std::string method;
    std::string route;
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;  // Answered 5xx.
    std::uint64_t slow = 0;    // Requests that slow_ns of the stages are of.
    Distribution latency;
    std::vector<StageShare> stages;
    friend bool operator==(const RouteSample&, const RouteSample&) = default;
};

struct Sample {
    UnixMillis from = 0;
    UnixMillis to = 0;
    Duration covered{};  // By the steady clock; less than to - from where the server was down.
    std::map<std::string, Value, std::less<>> values;
    std::map<std::string, Distribution, std::less<>> times;  // `stage.queue`, `database`.
    std::vector<RouteSample> routes;                         // Those with requests.

    void merge(const Sample& later);
    double seconds() const noexcept { return std::chrono::duration<double>(covered).count(); }
    std::uint64_t requests() const noexcept;
    std::uint64_t errors() const noexcept;
    /// Of all routes.
    Distribution latency() const;
    const Value* find(std::string_view name) const;
    const Distribution* find_times(std::string_view name) const;
    friend bool operator==(const Sample&, const Sample&) = default;
};

/// Words that stand in packed samples by number.
class Names {
  public:
    /// Gives it a number when it has none.
    std::uint64_t number(std::string_view name);
    /// Null: there is no such number.
    const std::string* name(std::uint64_t number) const;
    std::size_t size() const noexcept { return names_.size(); }

  private:
    std::vector<std::string> names_;
    std::map<std::string, std::uint64_t, std::less<>> numbers_;
};

std::vector<std::uint8_t> pack(const Sample& sample, Names& names);
/// Also of form 1, which earlier versions wrote. kDataLoss: these bytes are no sample.
Result<Sample> unpack(std::span<const std::uint8_t> bytes, const Names& names);

/// Samples one after the other, compressed; kInternal: they could not be.
Result<std::vector<std::uint8_t>> pack_block(std::span<const Sample> samples, Names& names);
/// kDataLoss: these bytes are no block of samples.
Result<std::vector<Sample>> unpack_block(std::span<const std::uint8_t> bytes, const Names& names);

}  // namespace tidegate::performance
