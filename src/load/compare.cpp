#include "load/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <numbers>
#include <numeric>

namespace tidegate::load {
namespace {

constexpr double kSignificant = 0.05;
// With fewer the test can hardly reach 0.05 after the correction.
constexpr std::size_t kIntervalsMin = 8;

double two_sided(double z) {
    return std::erfc(std::abs(z) / std::numbers::sqrt2);
}

/// Of intervals in which something was answered; the last one of a run is cut short and left out.
std::vector<double> values(const RunResult& run, const std::function<double(const Interval&)>& of) {
    std::vector<double> out;
    const std::size_t whole = run.series.empty() ? 0 : run.series.size() - 1;
    for (std::size_t i = 0; i < whole; ++i) {
        if (run.series[i].good > 0) out.push_back(of(run.series[i]));
    }
    return out;
}

/// NaN: nothing was answered.
double quantile_ms(const RunResult& run, double q) {
    return run.all.ok.count() > 0 ? run.all.ok.quantile(q) / 1e6 : std::nan("");
}

Compared compare_intervals(std::string name, std::string unit, const RunResult& a, const RunResult& b, double of_a,
                           double of_b, const std::function<double(const RunResult&, const Interval&)>& of) {
    Compared row{.name = std::move(name), .unit = std::move(unit), .a = of_a, .b = of_b};
    const auto in_a = values(a, [&](const Interval& one) { return of(a, one); });
    const auto in_b = values(b, [&](const Interval& one) { return of(b, one); });
    row.n_a = in_a.size();
    row.n_b = in_b.size();
    row.change = of_a > 0 && of_b > 0 ? of_b / of_a - 1 : std::nan("");
    row.tested = row.n_a >= kIntervalsMin && row.n_b >= kIntervalsMin;
    if (!row.tested) return row;
    row.shift = hodges_lehmann(in_a, in_b);
    row.p = mann_whitney(in_a, in_b);
    row.better = row.unit == "/s" ? row.shift > 0 : row.shift < 0;
    return row;
}

Compared compare_errors(const RunResult& a, const RunResult& b) {
    Compared row{.name = "errors", .unit = "%", .a = a.all.error_share() * 100, .b = b.all.error_share() * 100};
    row.change = row.b - row.a;
    row.shift = row.change;
    row.n_a = a.all.sent;
    row.n_b = b.all.sent;
    row.tested = row.n_a > 0 && row.n_b > 0;
    if (!row.tested) return row;
    const auto na = static_cast<double>(row.n_a);
    const auto nb = static_cast<double>(row.n_b);
    const double pooled = static_cast<double>(a.all.errors + b.all.errors) / (na + nb);
    const double spread = std::sqrt(pooled * (1 - pooled) * (1 / na + 1 / nb));
    row.p = spread > 0 ? two_sided((row.b - row.a) / 100 / spread) : 1;
    row.better = row.b < row.a;
    return row;
}

/// Holm: the smallest p times the number of tests, the next times one less, never falling.
void correct(std::vector<Compared>& rows) {
    std::vector<Compared*> tested;
    for (Compared& row : rows) {
        if (row.tested) tested.push_back(&row);
    }
    std::ranges::sort(tested, std::less<>(), [](const Compared* row) { return row->p; });
    double least = 0;
    for (std::size_t i = 0; i < tested.size(); ++i) {
        least = std::max(least, std::min(1.0, tested[i]->p * static_cast<double>(tested.size() - i)));
        tested[i]->p = least;
        tested[i]->significant = least < kSignificant;
    }
}

void note(std::vector<std::string>& out, std::string_view what, const std::string& a, const std::string& b) {
    if (a != b) out.push_back(fmt::format("{}: {} and {}", what, a.empty() ? "-" : a, b.empty() ? "-" : b));
}

std::string stages_of(const Plan& plan) {
    std::string out;
    for (const Stage& stage : plan.stages) {
        fmt::format_to(std::back_inserter(out), "{}{:g}s {:g}-{:g}", out.empty() ? "" : ", ", stage.seconds, stage.from,
                       stage.to);
    }
    return out;
}

std::string operations_of(const RunResult& run) {
    std::string out;
    for (const Figures& one : run.operations) out.append(out.empty() ? "" : " ").append(one.name);
    return out;
}

}  // namespace

double mann_whitney(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.empty() || b.empty()) return 1;
    std::vector<std::pair<double, bool>> all;
    for (const double value : a) all.emplace_back(value, true);
    for (const double value : b) all.emplace_back(value, false);
    std::ranges::sort(all);
    double rank_sum = 0;  // Of a.
    double ties = 0;      // Sum of t^3 - t.
    for (std::size_t i = 0; i < all.size();) {
        std::size_t end = i;
        while (end < all.size() && all[end].first == all[i].first) ++end;
        const double rank = (static_cast<double>(i + end) + 1) / 2;
        const auto tied = static_cast<double>(end - i);
        ties += tied * tied * tied - tied;
        for (; i < end; ++i) rank_sum += all[i].second ? rank : 0;
    }
    const auto na = static_cast<double>(a.size());
    const auto nb = static_cast<double>(b.size());
    const double n = na + nb;
    const double u = rank_sum - na * (na + 1) / 2;
    const double variance = na * nb / 12 * (n + 1 - ties / (n * (n - 1)));
    if (!(variance > 0)) return 1;
    const double off = std::max(0.0, std::abs(u - na * nb / 2) - 0.5);
    return two_sided(off / std::sqrt(variance));
}

double hodges_lehmann(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> differences;
    differences.reserve(a.size() * b.size());
    for (const double x : a) {
        for (const double y : b) differences.push_back(y - x);
    }
    if (differences.empty()) return 0;
    const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
    std::ranges::nth_element(differences, middle);
    return *middle;
}

Comparison compare(const RunResult& a, const RunResult& b) {
    Comparison out;
    out.rows.push_back(compare_intervals(
        "answers per second", "/s", a, b, a.answers_per_s, b.answers_per_s,
        [](const RunResult& run, const Interval& one) { return static_cast<double>(one.good) / run.interval_s; }));
    const auto quantile = [&](std::string name, double q, double Interval::* member) {
        out.rows.push_back(
            compare_intervals(std::move(name), "ms", a, b, quantile_ms(a, q), quantile_ms(b, q),
                              [member](const RunResult&, const Interval& one) { return one.*member / 1e6; }));
    };
    quantile("p50", 0.5, &Interval::p50);
    quantile("p95", 0.95, &Interval::p95);
    quantile("p99", 0.99, &Interval::p99);
    out.rows.push_back(compare_errors(a, b));
    correct(out.rows);
    note(out.differences, "target", a.target, b.target);
    note(out.differences, "server", a.server, b.server);
    note(out.differences, "commit", a.machine.commit, b.machine.commit);
    note(out.differences, "processor", a.machine.cpu, b.machine.cpu);
    note(out.differences, "cores", std::to_string(a.machine.cores), std::to_string(b.machine.cores));
    note(out.differences, "profile", a.plan.profile, b.plan.profile);
    note(out.differences, "loop", a.plan.loop == Loop::kOpen ? "open" : "closed",
         b.plan.loop == Loop::kOpen ? "open" : "closed");
    note(out.differences, "stages", stages_of(a.plan), stages_of(b.plan));
    note(out.differences, "repeats", fmt::format("{:g}", a.plan.repeats), fmt::format("{:g}", b.plan.repeats));
    note(out.differences, "operations", operations_of(a), operations_of(b));
    return out;
}

std::string render(const Comparison& comparison) {
    std::string out;
    auto to = std::back_inserter(out);
    fmt::format_to(to, "{:<20} {:>14} {:>14} {:>10}   {}\n", "", "A", "B", "change", "is it more than chance?");
    bool untested = false;
    for (const Compared& row : comparison.rows) {
        const std::string change = row.unit == "%"          ? fmt::format("{:+.3f} pt", row.change)
                                   : std::isnan(row.change) ? std::string("-")
                                                            : fmt::format("{:+.1f} %", row.change * 100);
        std::string says;
        if (!row.tested) {
            untested = true;
            says = fmt::format("not tested: {} and {} intervals, {} are needed", row.n_a, row.n_b, kIntervalsMin);
        } else if (row.significant) {
            says = fmt::format("yes, B is {} (p = {:.2g})", row.better ? "better" : "worse", row.p);
        } else {
            says = fmt::format("no difference shown (p = {:.2g})", row.p);
        }
        fmt::format_to(to, "{:<20} {:>11.3f} {:<2} {:>11.3f} {:<2} {:>10}   {}\n", row.name, row.a, row.unit, row.b,
                       row.unit, change, says);
    }
    for (const std::string& difference : comparison.differences) fmt::format_to(to, "differs: {}\n", difference);
    out +=
        "Mann and Whitney's test on the intervals of the two runs, the errors by two proportions, Holm's correction, "
        "0.05.\n"
        "It tells whether these two runs differ; whether the two programs do, several runs of each in alternation "
        "tell.\n";
    if (untested) out += "Longer runs have more intervals.\n";
    return out;
}

}  // namespace tidegate::load
