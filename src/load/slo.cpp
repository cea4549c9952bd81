#include "load/slo.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "load/result.h"

namespace tidegate::load {
namespace {

using Measure = Slo::Measure;

constexpr std::string_view kHelp =
    "an SLO reads [OPERATION.]MEASURE<NUMBER[UNIT], such as p95<75ms, errors<0.1%, rps>=15000; measures are p50 to "
    "p99.99, mean, max (us, ms, s), errors (a count or %), rps, requests";

std::unexpected<Error> wrong(std::string_view part) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("`{}`: {}", part, kHelp));
}

bool read_measure(std::string_view word, Slo& slo) {
    constexpr std::array<std::pair<std::string_view, Measure>, 5> kNames{{{"mean", Measure::kMean},
                                                                          {"max", Measure::kMax},
                                                                          {"errors", Measure::kErrors},
                                                                          {"rps", Measure::kRate},
                                                                          {"requests", Measure::kRequests}}};
    for (const auto& [name, measure] : kNames) {
        if (word != name) continue;
        slo.measure = measure;
        return true;
    }
    if (!word.starts_with('p')) return false;
    const auto percent = parse_double(word.substr(1));
    if (!percent || !(*percent > 0) || !(*percent < 100)) return false;
    slo.measure = Measure::kQuantile;
    slo.quantile = *percent / 100;
    return true;
}

/// The number in front of `unit`, not negative.
std::optional<double> number_before(std::string_view word, std::string_view unit) {
    if (!word.ends_with(unit)) return std::nullopt;
    word.remove_suffix(unit.size());
    const auto number = parse_double(word);
    return number && *number >= 0 ? number : std::nullopt;
}

bool read_bound(std::string_view word, Slo& slo) {
    if (slo.measure == Measure::kErrors) {
        if (const auto share = number_before(word, "%")) {
            slo.measure = Measure::kErrorShare;
            slo.bound = *share / 100;
            return *share <= 100;
        }
    }
    if (slo.measure == Measure::kErrors || slo.measure == Measure::kRate || slo.measure == Measure::kRequests) {
        const auto number = number_before(word, "");
        if (number) slo.bound = *number;
        return number.has_value();
    }
    for (const auto& [unit, factor] :
         {std::pair<std::string_view, double>{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1000}}) {
        const auto number = number_before(word, unit);
        if (!number) continue;
        slo.bound = *number * factor;
        return true;
    }
    return false;
}

Result<Slo> parse_slo(std::string_view part) {
    Slo slo{.text = std::string(part)};
    const std::size_t sign = part.find_first_of("<>");
    if (sign == std::string_view::npos) return wrong(part);
    const bool equal = sign + 1 < part.size() && part[sign + 1] == '=';
    slo.compare = part[sign] == '<' ? (equal ? Slo::Compare::kLessEqual : Slo::Compare::kLess)
                                    : (equal ? Slo::Compare::kGreaterEqual : Slo::Compare::kGreater);
    std::string_view left = trim(part.substr(0, sign));
    // `detect_text.p99.9`: the operation ends at the first dot that a measure follows.
    if (!read_measure(left, slo)) {
        const std::size_t dot = left.find('.');
        if (dot == std::string_view::npos || dot == 0 || !read_measure(left.substr(dot + 1), slo)) return wrong(part);
        slo.operation = left.substr(0, dot);
    }
    if (!read_bound(trim(part.substr(sign + (equal ? 2 : 1))), slo)) return wrong(part);
    return slo;
}

struct Measured {
    double value = 0;
    std::string shown;
};

Measured measure(const Slo& slo, const RunResult& result, const Figures& figures) {
    const auto time = [](double nanoseconds) {
        return Measured{.value = nanoseconds / 1e6, .shown = fmt::format("{:.3f} ms", nanoseconds / 1e6)};
    };
    switch (slo.measure) {
        case Measure::kQuantile:
            return time(figures.ok.quantile(slo.quantile));
        case Measure::kMean:
            return time(figures.ok.mean());
        case Measure::kMax:
            return time(static_cast<double>(figures.ok.max()));
        case Measure::kErrors:
            return {.value = static_cast<double>(figures.errors), .shown = std::to_string(figures.errors)};
        case Measure::kErrorShare:
            return {.value = figures.error_share(), .shown = fmt::format("{:.4f} %", figures.error_share() * 100)};
        case Measure::kRate: {
            const double rate = slo.operation.empty() ? result.answers_per_s
                                : result.window_s > 0 ? static_cast<double>(figures.good) / result.window_s
                                                      : 0;
            return {.value = rate, .shown = fmt::format("{:.1f}/s", rate)};
        }
        case Measure::kRequests:
            return {.value = static_cast<double>(figures.sent), .shown = std::to_string(figures.sent)};
    }
    return {};
}

}  // namespace

bool Slo::holds(double value) const noexcept {
    switch (compare) {
        case Compare::kLess:
            return value < bound;
        case Compare::kLessEqual:
            return value <= bound;
        case Compare::kGreater:
            return value > bound;
        case Compare::kGreaterEqual:
            return value >= bound;
    }
    return false;
}

Result<std::vector<Slo>> parse_slos(std::string_view text) {
    std::vector<Slo> slos;
    for (const std::string_view part : split(text, ',')) {
        TG_TRY(Slo slo, parse_slo(trim(part)));
        slos.push_back(std::move(slo));
    }
    return slos;
}

Result<std::vector<SloOutcome>> judge(const std::vector<Slo>& slos, const RunResult& result) {
    std::vector<SloOutcome> outcomes;
    for (const Slo& slo : slos) {
        const Figures* figures = &result.all;
        if (!slo.operation.empty()) {
            const auto found = std::ranges::find(result.operations, slo.operation, &Figures::name);
            if (found == result.operations.end()) {
                return fail(ErrorCode::kInvalidArgument,
                            fmt::format("`{}`: this run has no operation `{}`", slo.text, slo.operation));
            }
            figures = &*found;
        }
        const Measured got = measure(slo, result, *figures);
        const bool is_time =
            slo.measure == Measure::kQuantile || slo.measure == Measure::kMean || slo.measure == Measure::kMax;
        const bool of_errors = slo.measure == Measure::kErrors || slo.measure == Measure::kErrorShare;
        // No request was answered, or sent: there is no latency that could be small, and no share that could be.
        const bool empty = (is_time && figures->ok.count() == 0) || (of_errors && figures->sent == 0);
        outcomes.push_back({.text = slo.text,
                            .value = got.value,
                            .shown = empty ? (of_errors ? "no request" : "no answer") : got.shown,
                            .met = !empty && slo.holds(got.value)});
    }
    return outcomes;
}

}  // namespace tidegate::load
