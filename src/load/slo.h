// Slo: what a run must keep to: `p95<75ms,errors<0.1%,rps>=15000,detect_text.p99<50ms`.
//
// Language    [OPERATION.]MEASURE OP NUMBER[UNIT], separated by commas. Measures: p50 to p99.99 (any number below 100), mean, max (ns, us,
//             ms, s), errors (a count, or with % a share of the requests), rps (good answers a second), requests. OP: < <= > >=.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::load {

struct RunResult;

struct Slo {
    enum class Measure : std::uint8_t { kQuantile, kMean, kMax, kErrors, kErrorShare, kRate, kRequests };
    enum class Compare : std::uint8_t { kLess, kLessEqual, kGreater, kGreaterEqual };
    std::string text;       // As it was written.
    std::string operation;  // Empty: all of them.
    Measure measure = Measure::kQuantile;
    Compare compare = Compare::kLess;
    double quantile = 0;  // 0 to 1.
    double bound = 0;     // Milliseconds, a count, a share (0 to 1) or a rate.

    bool holds(double value) const noexcept;
};

/// kInvalidArgument names the part that cannot be read and says what could be.
Result<std::vector<Slo>> parse_slos(std::string_view text);

struct SloOutcome {
    std::string text;
    double value = 0;   // In the unit of the bound.
    std::string shown;  // `12.3 ms`
    bool met = false;
};

/// An operation that had no request meets nothing but a bound on errors: kInvalidArgument where the run has no such operation.
Result<std::vector<SloOutcome>> judge(const std::vector<Slo>& slos, const RunResult& result);

}  // namespace tidegate::load
