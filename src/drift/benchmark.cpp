#include "drift/benchmark.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "drift/adwin.h"
#include "drift/dice.h"
#include "drift/error_rate.h"
#include "drift/hoeffding.h"
#include "drift/kswin.h"
#include "drift/page_hinkley.h"
#include "drift/tandem.h"
#include "drift/window_tests.h"

namespace tidegate::drift {
namespace {

template <class D>
MakeDetector plain() {
    return [] { return std::make_unique<D>(); };
}

MakeDetector tandem(double expected_run) {
    return [expected_run] { return std::make_unique<Tandem>(TandemOptions{.expected_run = expected_run}); };
}

struct Shift {
    std::size_t n;
    double by;
};

// The cells of the published null table.
constexpr std::array<Shift, 9> kShifts{
    {{100, 0}, {200, 0}, {1000, 0}, {5000, 0}, {100, 0.5}, {200, 0.5}, {1000, 0.25}, {5000, 0.25}, {5000, 0.1}}};

WindowRow window_row(NumericTests& tests, const Shift& shift, std::size_t windows, Dice& dice) {
    constexpr double kLevel = 0.01;
    WindowRow row{shift.n, shift.by, windows, {}};
    const auto count = [&row](std::size_t i, const char* name, bool alarm) {
        if (row.rules.size() <= i) row.rules.push_back({name, 0});
        row.rules[i].alarms += alarm ? 1 : 0;
    };
    std::vector<double> window(shift.n);
    for (std::size_t w = 0; w < windows; ++w) {
        for (double& value : window) value = dice.normal() + shift.by;
        const std::vector<TestResult> results = tests.compare(window);
        count(0, "KS p < 0.05", results[1].p < 0.05);
        count(1, "PSI > 0.1", results[0].statistic > 0.1);
        count(2, "PSI > 0.2", results[0].statistic > 0.2);
        count(3, "Jensen-Shannon > 0.1", std::sqrt(results[3].statistic) > 0.1);
        count(4, "Wasserstein > 0.1", results[2].statistic > 0.1);
        count(5, "ours: PSI", results[0].drifted(kLevel));
        count(6, "ours: KS", results[1].drifted(kLevel));
        count(7, "ours: Wasserstein", results[2].drifted(kLevel));
        count(8, "ours: Jensen-Shannon", results[3].drifted(kLevel));
    }
    for (WindowRule& rule : row.rules) rule.alarms /= static_cast<double>(windows);
    return row;
}

}  // namespace

std::vector<Contestant> contestants() {
    return {{"adwin", plain<Adwin>()},
            {"hddm_w", plain<HddmW>()},
            {"fhddm", plain<Fhddm>()},
            {"hddm_a", plain<HddmA>()},
            {"page_hinkley", plain<PageHinkley>()},
            {"ddm", plain<Ddm>()},
            {"eddm", plain<Eddm>()},
            {"kswin", plain<Kswin>()},
            {"tandem 1e5", tandem(1e5)},
            {"tandem 1e6", tandem(1e6)},
            {"tandem 2e7", tandem(2e7)}};
}

std::vector<FamilyScore> score_families(std::span<const LabelledStream> streams, const MakeDetector& make) {
    std::vector<FamilyScore> families;
    for (const LabelledStream& stream : streams) {
        auto family = std::ranges::find(families, stream.family, &FamilyScore::family);
        if (family == families.end()) family = families.insert(families.end(), FamilyScore{stream.family, {}});
        family->score.add(score(stream, make));
    }
    return families;
}

std::vector<LabelledStream> held_out_streams() {
    std::vector<LabelledStream> streams;
    for (const Concept kind : {Concept::kSine1, Concept::kMixed, Concept::kCircles}) {
        const bool gradual = kind == Concept::kCircles;
        for (std::uint64_t seed = 9000; seed < 9010; ++seed) {
            streams.push_back(make_stream({.concept_kind = kind,
                                           .seed = seed,
                                           .every = gradual ? 25'000U : 20'000U,
                                           .width = gradual ? 500.0 : 50.0,
                                           .acceptance = gradual ? 1000U : 250U}));
        }
    }
    return streams;
}

StationaryRuns stationary_runs(const MakeDetector& make, double error_rate, std::size_t runs, std::size_t values_a_run,
                               std::uint64_t seed) {
    StationaryRuns result{runs, values_a_run, 0, 0};
    for (std::size_t run = 0; run < runs; ++run) {
        Dice dice(seed + run);
        const std::unique_ptr<Detector> detector = make();
        std::size_t alarms = 0;
        for (std::size_t i = 0; i < values_a_run; ++i) {
            alarms += detector->update(dice.chance(error_rate) ? 1 : 0) == State::kDrift ? 1 : 0;
        }
        result.alarms += alarms;
        result.runs_with_alarm += alarms > 0 ? 1 : 0;
    }
    return result;
}

std::vector<WindowRow> window_table(std::size_t windows, std::uint64_t seed) {
    Dice dice(seed);
    std::vector<double> reference(10'000);
    for (double& value : reference) value = dice.normal();
    NumericTests tests(NumericReference::from(reference), {.effects = {}});
    std::vector<WindowRow> rows;
    for (const Shift& shift : kShifts) rows.push_back(window_row(tests, shift, windows, dice));
    return rows;
}

}  // namespace tidegate::drift
