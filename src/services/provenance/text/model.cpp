#include "services/provenance/text/model.h"

#include <algorithm>
#include <cmath>

namespace tidegate::provenance::text {
namespace {

// The stack's length input: 0 at 150 words, about -1.8 at 25 and +1 at 400; constant outside, where nothing was learnt.
double length_input(double words) noexcept {
    return std::log(std::clamp(words, kLengthKnots.front(), kLengthKnots.back()) / 150.0);
}

}  // namespace

double HashedHead::score(const GramCounter& counter) const noexcept {
    const GramCounter::Product product = counter.product(weights);
    return bias + scale * product.sum / product.norm;
}

double StyleHead::standardise(std::size_t i, double value) const noexcept {
    // Beyond four deviations a feature says "unlike the training data", not "more of the same".
    return std::clamp((value - mean[i]) * inverse_deviation[i], -4.0, 4.0);
}

ByLength length_weights(double words) noexcept {
    ByLength weights{};
    if (words <= kLengthKnots.front()) {
        weights.front() = 1;
        return weights;
    }
    for (std::size_t i = 1; i < kLengthKnots.size(); ++i) {
        if (words > kLengthKnots[i]) continue;
        const double share = std::log(words / kLengthKnots[i - 1]) / std::log(kLengthKnots[i] / kLengthKnots[i - 1]);
        weights[i] = share;
        weights[i - 1] = 1 - share;
        return weights;
    }
    weights.back() = 1;
    return weights;
}

double at_length(const ByLength& values, const ByLength& weights) noexcept {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[i] * weights[i];
    return sum;
}

StackResult apply_stack(const Stack& stack, const SignalScores& scores, double words) noexcept {
    const double length = length_input(words);
    StackResult result;
    result.intercept = stack.intercept + stack.intercept_by_length * length;
    for (std::size_t i = 0; i < kSignalCount; ++i) {
        const std::size_t input = stack_input(i);
        const double weight = stack.weight[input] + stack.weight_by_length[input] * length;
        result.contributions[i] = weight * (scores[i] - stack.centre[i]);
    }
    return result;
}

double sum_of(const StackResult& result) noexcept {
    double sum = result.intercept;
    for (const double contribution : result.contributions) sum += contribution;
    return sum;
}

StackResult calibrate(const StackResult& raw, const Calibration& calibration, double words) noexcept {
    const ByLength weights = length_weights(words);
    const double scale = at_length(calibration.scale, weights);
    StackResult result;
    result.intercept = raw.intercept * scale + at_length(calibration.offset, weights);
    for (std::size_t i = 0; i < kSignalCount; ++i) result.contributions[i] = raw.contributions[i] * scale;
    return result;
}

double sigmoid(double log_odds) noexcept {
    return 1.0 / (1.0 + std::exp(-log_odds));
}

}  // namespace tidegate::provenance::text
