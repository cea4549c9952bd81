#include "drift/verdict.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/assert.h"
#include "drift/multiplicity.h"

namespace tidegate::drift {

std::vector<FeatureVerdict> judge(std::span<const FeatureTest> tests, double level) {
    std::vector<double> p;
    std::vector<FeatureVerdict> verdicts;
    double sum = 0;
    for (const FeatureTest& test : tests) {
        const TestResult& result = test.result;
        p.push_back(result.enough ? result.p : 1);
        const double weight = result.enough && result.effect_min > 0 ? result.effect / result.effect_min : 0;
        sum += weight;
        verdicts.push_back({test.feature, result, 1, false, weight});
    }
    const std::vector<double> adjusted = adjusted_p(p);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        verdicts[i].p_adjusted = adjusted[i];
        verdicts[i].drifted = verdicts[i].result.large() && adjusted[i] <= level;
        verdicts[i].contribution = sum > 0 ? verdicts[i].contribution / sum : 0;
    }
    std::ranges::sort(verdicts, [](const FeatureVerdict& a, const FeatureVerdict& b) {
        return a.contribution != b.contribution ? a.contribution > b.contribution : a.feature < b.feature;
    });
    return verdicts;
}

std::vector<CellShift> what_moved(Counts reference, Counts window) {
    TG_ASSERT(reference.size() == window.size());
    // Half a count for a cell that is empty in one of the two, so that the logarithm exists.
    const auto share = [](std::uint64_t own, std::uint64_t sum) {
        return (own == 0 ? 0.5 : static_cast<double>(own)) / static_cast<double>(sum);
    };
    const std::uint64_t m = std::accumulate(reference.begin(), reference.end(), std::uint64_t{0});
    const std::uint64_t n = std::accumulate(window.begin(), window.end(), std::uint64_t{0});
    std::vector<CellShift> shifts;
    if (n == 0 || m == 0) return shifts;
    double sum = 0;
    for (std::size_t i = 0; i < window.size(); ++i) {
        if (reference[i] == 0 && window[i] == 0) continue;
        const double before = share(reference[i], m);
        const double now = share(window[i], n);
        const double part = (now - before) * std::log(now / before);
        sum += part;
        shifts.push_back({i, static_cast<double>(reference[i]) / static_cast<double>(m),
                          static_cast<double>(window[i]) / static_cast<double>(n), part});
    }
    for (CellShift& shift : shifts) shift.contribution = sum > 0 ? shift.contribution / sum : 0;
    std::ranges::sort(shifts, [](const CellShift& a, const CellShift& b) {
        return a.contribution != b.contribution ? a.contribution > b.contribution : a.cell < b.cell;
    });
    return shifts;
}

}  // namespace tidegate::drift
