#include "services/flood/sensor/qartod.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tidegate::flood {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

Flag judge(double size, double suspect, double fail) {
    if (size > fail) return Flag::kFail;
    return size > suspect ? Flag::kSuspect : Flag::kGood;
}

double median_step(std::span<const std::int64_t> times) {
    std::vector<std::int64_t> steps;
    for (std::size_t i = 1; i < times.size(); ++i) steps.push_back(times[i] - times[i - 1]);
    std::ranges::sort(steps);
    const std::size_t half = steps.size() / 2;
    if (steps.size() % 2 == 1) return static_cast<double>(steps[half]);
    return static_cast<double>(steps[half - 1] + steps[half]) / 2;
}

/// Whether the last `count` + 1 values up to `at` lie within less than `tolerance`.
bool is_flat(std::span<const double> values, std::size_t at, std::size_t count, double tolerance) {
    if (at < count) return false;
    double low = kNone;
    double high = -kNone;
    for (std::size_t i = at - count; i <= at; ++i) {
        if (!std::isfinite(values[i])) continue;
        low = std::min(low, values[i]);
        high = std::max(high, values[i]);
    }
    return high - low < tolerance;
}

/// NaN: cannot be told.
double spread_of(std::span<const double> window, Spread spread) {
    double sum = 0;
    double low = kNone;
    double high = -kNone;
    std::size_t n = 0;
    for (const double v : window) {
        if (!std::isfinite(v)) {
            if (spread == Spread::kRange) return std::nan("");
            continue;
        }
        sum += v;
        low = std::min(low, v);
        high = std::max(high, v);
        ++n;
    }
    if (spread == Spread::kRange) return high - low;
    double squares = 0;
    for (const double v : window) {
        if (std::isfinite(v)) squares += std::pow(v - sum / static_cast<double>(n), 2);
    }
    return std::sqrt(squares / static_cast<double>(n));
}

int rank(Flag flag) noexcept {
    switch (flag) {
        case Flag::kMissing:
            return 0;
        case Flag::kNotEvaluated:
            return 1;
        case Flag::kGood:
            return 2;
        case Flag::kSuspect:
            return 3;
        case Flag::kFail:
            break;
    }
    return 4;
}

}  // namespace

std::string_view to_string(Flag flag) noexcept {
    switch (flag) {
        case Flag::kGood:
            return "good";
        case Flag::kNotEvaluated:
            return "not_evaluated";
        case Flag::kSuspect:
            return "suspect";
        case Flag::kFail:
            return "fail";
        case Flag::kMissing:
            break;
    }
    return "missing";
}

Flag worse(Flag a, Flag b) noexcept {
    return rank(a) >= rank(b) ? a : b;
}

Flags gross_range(std::span<const double> values, Span fail, std::optional<Span> suspect) {
    Flags flags;
    for (const double v : values) {
        if (!std::isfinite(v)) {
            flags.push_back(Flag::kMissing);
        } else if (v < fail.low || v > fail.high) {
            flags.push_back(Flag::kFail);
        } else {
            flags.push_back(suspect && (v < suspect->low || v > suspect->high) ? Flag::kSuspect : Flag::kGood);
        }
    }
    return flags;
}

Flags spike(std::span<const double> values, SpikeMethod method, double suspect, double fail) {
    Flags flags(values.size(), Flag::kNotEvaluated);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            flags[i] = Flag::kMissing;
            continue;
        }
        if (i == 0 || i + 1 == values.size()) continue;
        const double before = values[i] - values[i - 1];
        const double after = values[i + 1] - values[i];
        if (!std::isfinite(before) || !std::isfinite(after)) continue;
        double size = 0;
        if (method == SpikeMethod::kAverage) {
            size = std::abs(values[i] - (values[i - 1] + values[i + 1]) / 2);
        } else if (before * after < 0) {
            size = std::min(std::abs(before), std::abs(after));
        }
        flags[i] = judge(size, suspect, fail);
    }
    return flags;
}

Flags rate_of_change(std::span<const double> values, std::span<const std::int64_t> times_s, double suspect,
                     std::optional<double> fail) {
    Flags flags(values.size(), Flag::kGood);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            flags[i] = Flag::kMissing;
        } else if (i > 0 && std::isfinite(values[i - 1]) && times_s[i] > times_s[i - 1]) {
            const double rate = std::abs(values[i] - values[i - 1]) / static_cast<double>(times_s[i] - times_s[i - 1]);
            flags[i] = judge(rate, suspect, fail.value_or(kNone));
        }
    }
    return flags;
}

Flags flat_line(std::span<const double> values, std::span<const std::int64_t> times_s, double tolerance,
                std::int64_t suspect_s, std::int64_t fail_s) {
    Flags flags(values.size(), Flag::kGood);
    const double step = values.size() < 3 ? 0 : median_step(times_s);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            flags[i] = Flag::kMissing;
        } else if (step > 0) {
            const auto count = [&](std::int64_t limit) {
                return static_cast<std::size_t>(static_cast<double>(limit) / step);
            };
            if (is_flat(values, i, count(suspect_s), tolerance)) flags[i] = Flag::kSuspect;
            if (is_flat(values, i, count(fail_s), tolerance)) flags[i] = Flag::kFail;
        }
    }
    return flags;
}

Flags attenuated(std::span<const double> values, std::span<const std::int64_t> times_s, Spread spread,
                 std::int64_t period_s, double suspect, double fail, std::optional<std::size_t> min_observed) {
    Flags flags(values.size(), Flag::kNotEvaluated);
    std::size_t from = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        while (times_s[from] <= times_s[i] - period_s) ++from;
        if (!std::isfinite(values[i])) {
            flags[i] = Flag::kMissing;
            continue;
        }
        const std::span<const double> window = values.subspan(from, i + 1 - from);
        const auto observed = std::ranges::count_if(window, [](double v) { return std::isfinite(v); });
        if (min_observed && static_cast<std::size_t>(observed) < *min_observed) continue;
        const double size = spread_of(window, spread);
        if (!std::isfinite(size)) continue;
        flags[i] = Flag::kGood;
        if (size < suspect) flags[i] = Flag::kSuspect;
        if (size < fail) flags[i] = Flag::kFail;
    }
    return flags;
}

Flags aggregate(std::span<const Flags> tests) {
    Flags out(tests.empty() ? 0 : tests.front().size(), Flag::kMissing);
    for (const Flags& test : tests) {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = worse(out[i], test[i]);
    }
    return out;
}

}  // namespace tidegate::flood
