// A look: every feature of a window against the reference, at the level that the budget has for it.
#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "drift/stream.h"

namespace tidegate::drift {
namespace {

/// All cells of a number (its deciles, below, above, missing: 13), so that both histograms can be drawn; the first words of a category.
constexpr std::size_t kMovedShown = 16;

std::string cell_name(const NumericCells& cells, std::size_t cell, bool is_log) {
    const auto edge = [is_log](double value) { return fmt::format("{:.4g}", is_log ? std::exp(value) : value); };
    if (cell == cells.missing()) return "missing";
    const auto edges = cells.edges();
    if (edges.empty()) return "any";
    if (cell <= 1) return "up to " + edge(edges.front());
    if (cell >= edges.size()) return "over " + edge(edges.size() > 1 ? edges[edges.size() - 2] : edges.front());
    return edge(edges[cell - 2]) + " to " + edge(edges[cell - 1]);
}

template <class Name>
std::vector<MovedCell> moved_cells(Counts before, Counts now, Name&& name) {
    std::vector<MovedCell> moved;
    for (const CellShift& shift : what_moved(before, now)) {
        if (moved.size() == kMovedShown) break;
        moved.push_back({name(shift.cell), shift.before, shift.now, shift.contribution});
    }
    return moved;
}

// Neither the reference nor the window can tell anything.
bool says_nothing(const NumericReference& reference, std::span<const TestResult> deciding) {
    return reference.deviation == 0 &&
           std::ranges::all_of(deciding, [](const TestResult& one) { return one.statistic == 0; });
}

}  // namespace

std::vector<double> Stream::counted(const Numeric& numeric) const {
    std::vector<double> values;
    values.reserve(numeric.values.size());
    std::ranges::copy_if(numeric.values, std::back_inserter(values), [](double v) { return v != kNotCounted; });
    return values;
}

// The first result decides for the feature.
FeatureLook Stream::look_at(Numeric& numeric, double level) {
    FeatureLook look;
    look.feature = numeric.feature;
    NumericTests& tests = *numeric.tests;
    tests.set_alpha(level / 2);
    const std::vector<double> window = counted(numeric);
    if (window.empty() || tests.reference().counts.total() == 0) return look;
    std::vector<TestResult> deciding = tests.compare_deciding(window);
    if (says_nothing(tests.reference(), deciding)) return look;
    if (deciding[1].enough && (!deciding[0].enough || deciding[1].p < deciding[0].p))
        std::swap(deciding[0], deciding[1]);
    look.p = std::min(1.0, 2 * deciding.front().p);
    look.results = std::move(deciding);
    if (options_->all_tests) {
        std::ranges::copy(tests.compare_shown(window), std::back_inserter(look.results));
    }
    const NumericCells& cells = tests.reference().cells;
    const auto before = cells.folded(tests.reference().counts);
    const auto now = cells.folded(tests.count(window));
    const bool is_log = numeric.feature == "latency";
    look.moved = moved_cells(before, now, [&](std::size_t cell) { return cell_name(cells, cell, is_log); });
    return look;
}

FeatureLook Stream::look_at(Category& category, double level) {
    FeatureLook look;
    look.feature = category.feature;
    CategoryTests& tests = *category.tests;
    tests.set_alpha(level);
    const CategoryReference& reference = tests.reference();
    CellCounts window(reference.cells.size());
    for (const std::uint8_t cell : category.cells) {
        if (cell != kLeftOut) window.add(cell);
    }
    if (window.total() == 0 || reference.counts.total() == 0) return look;
    if (cells_degrees(reference.counts.all(), window.all()) == 0) return look;
    if (options_->all_tests) {
        look.results = tests.compare(window);
    } else {
        look.results = {tests.compare_deciding(window)};
    }
    look.p = look.results.front().p;
    look.moved = moved_cells(reference.counts.all(), window.all(),
                             [&](std::size_t cell) { return std::string(reference.cells.name(cell)); });
    return look;
}

void Stream::take_look(std::vector<Finding>& findings) {
    Look look;
    look.number = look_.number + 1;
    look.at = last_at_;
    look.n = std::min(fresh_, options_->window);
    const auto waited = static_cast<double>(std::max<UnixMillis>(last_at_ - looked_at_, 1));
    // The windows' half of what the time since the last look has earned.
    const double earned = options_->alarms_a_month / 2 * waited / static_cast<double>(kMonthMs);
    look.level = std::min(earned, options_->level_max);
    for (Numeric& numeric : numerics_) look.features.push_back(look_at(numeric, look.level));
    for (Category& category : categories_) look.features.push_back(look_at(category, look.level));
    std::erase_if(look.features, [](const FeatureLook& one) { return one.results.empty(); });

    std::vector<FeatureTest> tests;
    for (const FeatureLook& one : look.features) {
        tests.push_back({one.feature, one.results.front()});
        tests.back().result.p = one.p;
    }
    const std::vector<FeatureVerdict> verdicts = judge(tests, look.level);
    std::vector<FeatureLook> ranked;
    for (const FeatureVerdict& verdict : verdicts) {
        auto one = std::ranges::find(look.features, verdict.feature, &FeatureLook::feature);
        one->p_adjusted = verdict.p_adjusted;
        one->drifted = verdict.drifted;
        one->contribution = verdict.contribution;
        ranked.push_back(std::move(*one));
    }
    look.features = std::move(ranked);
    for (FeatureLook& one : look.features) {
        if (one.drifted) {
            report(one, look, findings);
        } else {
            one.moved.clear();
        }
    }
    raise_run(static_cast<double>(fresh_) / waited * static_cast<double>(kMonthMs));
    look_ = std::move(look);
    looked_at_ = last_at_;
    fresh_ = head_ = 0;
    for (Numeric& numeric : numerics_) numeric.values.clear();
    for (Category& category : categories_) category.cells.clear();
}

void Stream::report(const FeatureLook& feature, const Look& look, std::vector<Finding>& findings) {
    const TestResult& result = feature.results.front();
    Finding& finding = findings.emplace_back();
    finding.stream = key_;
    finding.feature = feature.feature;
    finding.at = look.at;
    finding.evidence.test = to_string(result.kind);
    finding.evidence.statistic = result.statistic;
    finding.evidence.effect = result.effect;
    finding.evidence.p = feature.p_adjusted;
    finding.evidence.threshold = result.threshold;
    finding.evidence.n = result.n;
    finding.evidence.m = result.m;
    finding.evidence.contribution = feature.contribution;
    finding.evidence.moved = feature.moved;
    ++findings_;
}

}  // namespace tidegate::drift
