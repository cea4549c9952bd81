#include "services/flood/hydro/error_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tidegate::flood {
namespace {

constexpr double kProbabilityMin = 0.0005;
constexpr double kWidthMin = 0.005;

double sample_weight(const ErrorSample& sample, double weight_above) {
    // A flood is what this is for: low flows count, but a tenth.
    return sample.inputs.log_sim >= weight_above ? 1.0 : 0.1;
}

double take_over(const ErrorModel& model, const ErrorInputs& inputs) noexcept {
    return inputs.last_error * std::exp(-inputs.lead / model.memory_steps - model.fresh * std::abs(inputs.change));
}

double loss(const ErrorModel& model, std::span<const ErrorSample> samples, double weight_above) {
    double sum = 0;
    double weights = 0;
    for (const ErrorSample& sample : samples) {
        const double error = sample.log_observed - sample.inputs.log_sim - take_over(model, sample.inputs);
        const double weight = sample_weight(sample, weight_above);
        sum += weight * std::min(std::abs(error), 2.0);  // Absolute: a frozen gauge does not choose the weights.
        weights += weight;
    }
    return sum / weights;
}

void fit_take_over(ErrorModel& model, std::span<const ErrorSample> samples, double weight_above,
                   double response_steps) {
    double best = 1e300;
    ErrorModel trial;
    for (const double times : {0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0}) {
        const double memory = std::max(0.3, times * response_steps);
        for (const double fresh : {0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0}) {
            trial.memory_steps = memory;
            trial.fresh = fresh;
            const double now = loss(trial, samples, weight_above);
            if (now >= best) continue;
            best = now;
            model.memory_steps = memory;
            model.fresh = fresh;
        }
    }
}

std::array<double, 4> width_features(const ErrorInputs& inputs) noexcept {
    return {1, std::max(0.0, inputs.change), std::max(0.0, -inputs.change), std::log1p(inputs.water_mm)};
}

double log_width(const std::array<double, 4>& width, const ErrorInputs& inputs) noexcept {
    const std::array<double, 4> x = width_features(inputs);
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum += width[i] * x[i];
    return sum;
}

/// Laplace's likelihood: mean of log s + |e| / s, by gradient steps with halving; convex enough in log s for four numbers.
void fit_width(ErrorModel& model, std::span<const ErrorSample> samples, std::span<const double> errors,
               double weight_above) {
    const auto cost = [&](const std::array<double, 4>& width, std::array<double, 4>* slope) {
        double sum = 0;
        double weights = 0;
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const double weight = sample_weight(samples[i], weight_above);
            const double log_s = std::clamp(log_width(width, samples[i].inputs), -6.0, 3.0);
            const double ratio = std::abs(errors[i]) * std::exp(-log_s);
            sum += weight * (log_s + ratio);
            weights += weight;
            if (slope == nullptr) continue;
            const std::array<double, 4> x = width_features(samples[i].inputs);
            for (std::size_t k = 0; k < 4; ++k) (*slope)[k] += weight * (1 - ratio) * x[k];
        }
        if (slope != nullptr) {
            for (double& one : *slope) one /= weights;
        }
        return sum / weights;
    };
    double step = 0.5;
    double now = cost(model.width, nullptr);
    for (int round = 0; round < 200 && step > 1e-5; ++round) {
        std::array<double, 4> slope{};
        cost(model.width, &slope);
        std::array<double, 4> next = model.width;
        for (std::size_t k = 0; k < 4; ++k) next[k] -= step * slope[k];
        for (std::size_t k = 1; k < 4; ++k) next[k] = std::clamp(next[k], 0.0, 4.0);
        const double after = cost(next, nullptr);
        if (after < now) {
            model.width = next;
            now = after;
            step *= 1.3;
        } else {
            step *= 0.4;
        }
    }
}

std::array<double, 3> bias_features(const ErrorInputs& in) noexcept {
    return {1, std::max(0.0, in.change), std::max(0.0, -in.change)};
}

double bias_of(const ErrorModel& model, const ErrorInputs& in) noexcept {
    const auto x = bias_features(in);
    return model.bias[0] * x[0] + model.bias[1] * x[1] + model.bias[2] * x[2];
}

/// Weighted ridge regression of the errors, solved by Gauss-Seidel; what it explains is taken from them.
void fit_bias(ErrorModel& model, std::span<const ErrorSample> samples, std::vector<double>& errors,
              double weight_above) {
    // In units of one error at its usual width; chosen among 10, 100 and 1000 on three parts of each basin's development rows.
    constexpr double kRidge = 1000;
    std::array<std::array<double, 3>, 3> a{};
    std::array<double, 3> b{};
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto x = bias_features(samples[i].inputs);
        // Over its width: what is uncertain anyway says little about a bias.
        const double width = std::clamp(std::exp(log_width(model.width, samples[i].inputs)), 0.01, 3.0);
        const double weight = sample_weight(samples[i], weight_above) / (width * width);
        for (std::size_t r = 0; r < 3; ++r) {
            for (std::size_t c = 0; c < 3; ++c) a[r][c] += weight * x[r] * x[c];
            b[r] += weight * x[r] * std::clamp(errors[i], -4 * width, 4 * width);
        }
    }
    constexpr int kRounds = 500;
    for (int round = 0; round < kRounds; ++round) {
        for (std::size_t r = 0; r < 3; ++r) {
            double rest = b[r];
            for (std::size_t c = 0; c < 3; ++c) rest -= c == r ? 0 : a[r][c] * model.bias[c];
            model.bias[r] = rest / (a[r][r] + kRidge);
        }
    }
    for (std::size_t i = 0; i < samples.size(); ++i) errors[i] -= bias_of(model, samples[i].inputs);
}

void fit_knots(ErrorModel& model, std::span<const ErrorSample> samples, double weight_above) {
    std::vector<std::pair<double, double>> scaled;
    double weights = 0;
    for (const ErrorSample& sample : samples) {
        const ErrorModel::Spread spread = model.spread(sample.inputs);
        const double weight = sample_weight(sample, weight_above);
        scaled.emplace_back((sample.log_observed - spread.centre) / spread.width, weight);
        weights += weight;
    }
    std::ranges::sort(scaled);
    double before = 0;
    std::size_t at = 0;
    for (std::size_t knot = 0; knot < kErrorKnots; ++knot) {
        const double wanted = (static_cast<double>(knot) + 0.5) / kErrorKnots * weights;
        while (at + 1 < scaled.size() && before + scaled[at].second < wanted) before += scaled[at++].second;
        model.knots[knot] = scaled[at].first;
    }
    // Equal quantiles would make the distribution jump.
    for (std::size_t knot = 1; knot < kErrorKnots; ++knot) {
        model.knots[knot] = std::max(model.knots[knot], model.knots[knot - 1] + 1e-6);
    }
}

}  // namespace

ErrorModel::Spread ErrorModel::spread(const ErrorInputs& inputs) const noexcept {
    const double fade = std::isfinite(inputs.lead) ? std::exp(-(inputs.lead - 1) / memory_steps) : 0;
    const double one_step = std::clamp(std::exp(log_width(width, inputs)), kWidthMin, 3.0);
    const double far = std::max(one_step, width_unobserved);
    const double variance = one_step * one_step * fade * fade + far * far * (1 - fade * fade);
    const double taken = std::isfinite(inputs.lead) ? take_over(*this, inputs) : 0;
    // The bias is of one step; it fades as the observation ages.
    return {inputs.log_sim + taken + fade * bias_of(*this, inputs), std::sqrt(variance)};
}

double ErrorModel::exceedance(const Spread& spread, double log_threshold) const noexcept {
    const double z = (log_threshold - spread.centre) / spread.width;
    const auto above = std::ranges::upper_bound(knots, z);
    double below = 0;  // Probability of less than z.
    constexpr double kEdge = 0.5 / kErrorKnots;
    if (above == knots.begin()) {
        below = kEdge * std::exp(z - knots.front());
    } else if (above == knots.end()) {
        below = 1 - kEdge * std::exp(knots.back() - z);
    } else {
        const auto at = static_cast<double>(above - knots.begin()) - 1;
        const double part = (z - *(above - 1)) / (*above - *(above - 1));
        below = (at + 0.5 + part) / kErrorKnots;
    }
    return std::clamp(1 - below, kProbabilityMin, 1 - kProbabilityMin);
}

double ErrorModel::quantile(const Spread& spread, double p) const noexcept {
    const double at = std::clamp(p * kErrorKnots - 0.5, 0.0, static_cast<double>(kErrorKnots - 1));
    const auto low = std::min(static_cast<std::size_t>(at), kErrorKnots - 2);
    const double part = at - static_cast<double>(low);
    return spread.centre + spread.width * (knots[low] + part * (knots[low + 1] - knots[low]));
}

ErrorModel fit_errors(std::span<const ErrorSample> samples, double weight_above, double response_steps) {
    ErrorModel model;
    if (samples.empty()) return model;
    fit_take_over(model, samples, weight_above, response_steps);
    std::vector<double> errors;
    double alone = 0;
    double weights = 0;
    for (const ErrorSample& sample : samples) {
        errors.push_back(sample.log_observed - sample.inputs.log_sim - take_over(model, sample.inputs));
        const double weight = sample_weight(sample, weight_above);
        alone += weight * std::abs(sample.log_observed - sample.inputs.log_sim);
        weights += weight;
    }
    model.width_unobserved = std::max(kWidthMin, alone / weights);
    model.width = {std::log(model.width_unobserved), 0, 0, 0};
    fit_width(model, samples, errors, weight_above);
    fit_bias(model, samples, errors, weight_above);
    fit_width(model, samples, errors, weight_above);
    fit_knots(model, samples, weight_above);
    return model;
}

}  // namespace tidegate::flood
