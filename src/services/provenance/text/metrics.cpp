#include "services/provenance/text/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace tidegate::provenance::text {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

std::vector<double> scores_of(std::span<const Scored> items, bool ai) {
    std::vector<double> scores;
    for (const Scored& item : items) {
        if (item.ai == ai) scores.push_back(item.score);
    }
    return scores;
}

}  // namespace

double auroc(std::span<const Scored> items) {
    std::vector<Scored> sorted(items.begin(), items.end());
    std::ranges::sort(sorted, {}, &Scored::score);
    double rank_sum = 0;
    double ai = 0;
    for (std::size_t i = 0; i < sorted.size();) {
        std::size_t end = i;
        double tied_ai = 0;
        while (end < sorted.size() && sorted[end].score == sorted[i].score) tied_ai += sorted[end++].ai ? 1 : 0;
        // Mean of the ranks i+1 .. end, for each tied item.
        rank_sum += tied_ai * (static_cast<double>(i + end) + 1.0) / 2.0;
        ai += tied_ai;
        i = end;
    }
    const double human = static_cast<double>(sorted.size()) - ai;
    if (ai == 0 || human == 0) return kUndefined;
    return (rank_sum - ai * (ai + 1) / 2) / (ai * human);
}

double tpr_at_fpr(std::span<const Scored> items, double fpr) {
    std::vector<double> human = scores_of(items, false);
    const std::vector<double> ai = scores_of(items, true);
    if (human.empty() || ai.empty()) return kUndefined;
    std::ranges::sort(human, std::greater<>());
    const auto allowed = static_cast<std::size_t>(std::floor(fpr * static_cast<double>(human.size()) + 1e-9));
    // Everything strictly above the first human that may not be flagged.
    const double limit = allowed < human.size() ? human[allowed] : -std::numeric_limits<double>::infinity();
    const auto hits = std::ranges::count_if(ai, [&](double score) { return score > limit; });
    return static_cast<double>(hits) / static_cast<double>(ai.size());
}

double calibration_error(std::span<const Scored> items) {
    constexpr std::size_t kBins = 10;
    std::array<double, kBins> confidence{};
    std::array<double, kBins> ai{};
    for (const Scored& item : items) {
        const auto bin = static_cast<std::size_t>(std::clamp(item.score, 0.0, 0.999999) * kBins);
        confidence[bin] += item.score;
        ai[bin] += item.ai ? 1 : 0;
    }
    if (items.empty()) return kUndefined;
    double sum = 0;
    for (std::size_t b = 0; b < kBins; ++b) sum += std::abs(confidence[b] - ai[b]);
    return sum / static_cast<double>(items.size());
}

double quantile(std::vector<double> values, double share) {
    if (values.empty()) return kUndefined;
    std::ranges::sort(values);
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    if (below + 1 >= values.size()) return values.back();
    const double part = place - static_cast<double>(below);
    return values[below] * (1 - part) + values[below + 1] * part;
}

Estimate bootstrap(std::span<const Scored> items, const Measure& measure, unsigned replicates, std::uint64_t seed) {
    std::vector<Scored> human;
    std::vector<Scored> ai;
    for (const Scored& item : items) (item.ai ? ai : human).push_back(item);
    Estimate estimate{measure(items), kUndefined, kUndefined};
    SeededRandom random(seed);
    std::vector<double> values;
    std::vector<Scored> drawn(items.size());
    for (unsigned r = 0; r < replicates; ++r) {
        for (std::size_t i = 0; i < drawn.size(); ++i) {
            const std::vector<Scored>& from = i < human.size() ? human : ai;
            drawn[i] = from[random.next_u64() % from.size()];
        }
        const double value = measure(drawn);
        if (!std::isnan(value)) values.push_back(value);
    }
    estimate.low = quantile(values, 0.025);
    estimate.high = quantile(values, 0.975);
    return estimate;
}

}  // namespace tidegate::provenance::text
