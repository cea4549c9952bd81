#include "drift/embedding.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/assert.h"
#include "drift/dice.h"
#include "drift/special.h"
#include "drift/statistics.h"

namespace tidegate::drift {
namespace {

using Vectors = std::span<const std::vector<float>>;

double distance(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double off = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        sum += off * off;
    }
    return std::sqrt(sum);
}

// The kernel's width: the median distance of pairs drawn from both together.
double median_distance(Vectors reference, Vectors window, Dice& dice) {
    constexpr std::size_t kPairs = 500;
    const std::size_t all = reference.size() + window.size();
    const auto at = [&](std::size_t i) -> std::span<const float> {
        return i < reference.size() ? reference[i] : window[i - reference.size()];
    };
    std::vector<double> distances;
    for (std::size_t k = 0; k < kPairs; ++k) distances.push_back(distance(at(dice.below(all)), at(dice.below(all))));
    std::ranges::nth_element(distances, distances.begin() + kPairs / 2);
    const double median = distances[kPairs / 2];
    return median > 0 ? median : 1;
}

class Fourier {
  public:
    Fourier(std::size_t dimensions, std::size_t count, double width, Dice& dice)
        : weights_(dimensions * count), phases_(count) {
        for (double& weight : weights_) weight = dice.normal() / width;
        for (double& phase : phases_) phase = 2 * std::numbers::pi * dice.uniform();
    }
    void append(std::span<const float> vector, std::vector<double>& out) const {
        const double scale = std::sqrt(2.0 / static_cast<double>(phases_.size()));
        for (std::size_t k = 0; k < phases_.size(); ++k) {
            double sum = phases_[k];
            for (std::size_t i = 0; i < vector.size(); ++i) {
                sum += weights_[k * vector.size() + i] * static_cast<double>(vector[i]);
            }
            out.push_back(scale * std::cos(sum));
        }
    }

  private:
    std::vector<double> weights_;
    std::vector<double> phases_;
};

// Of the rows `chosen` against all others.
double squared_difference(const std::vector<double>& rows, std::size_t columns, const std::vector<double>& sums,
                          std::span<const std::size_t> chosen) {
    const auto n = static_cast<double>(chosen.size());
    const std::size_t all = rows.size() / columns;
    const auto m = static_cast<double>(all - chosen.size());
    std::vector<double> own(columns);
    for (const std::size_t row : chosen) {
        for (std::size_t k = 0; k < columns; ++k) own[k] += rows[row * columns + k];
    }
    double squares = 0;
    for (std::size_t k = 0; k < columns; ++k) {
        const double off = own[k] / n - (sums[k] - own[k]) / m;
        squares += off * off;
    }
    return squares;
}

void compare_projections(Vectors reference, Vectors window, const EmbeddingOptions& options, EmbeddingResult& result) {
    const RandomProjection projection(reference.front().size(), options.numbers, options.seed);
    std::vector<std::vector<double>> before(options.numbers);
    std::vector<std::vector<double>> now(options.numbers);
    const auto fill = [&projection](Vectors vectors, std::vector<std::vector<double>>& columns) {
        for (const std::vector<float>& vector : vectors) {
            const std::vector<double> numbers = projection.project(vector);
            for (std::size_t k = 0; k < numbers.size(); ++k) columns[k].push_back(numbers[k]);
        }
        for (std::vector<double>& column : columns) std::ranges::sort(column);
    };
    fill(reference, before);
    fill(window, now);
    for (std::size_t k = 0; k < options.numbers; ++k) {
        const double ks = ks_distance(before[k], now[k]);
        if (ks <= result.ks_distance) continue;
        result.ks_distance = ks;
        result.projection = k;
    }
    const double p = ks_two_sample_p(result.ks_distance, result.n, result.m);
    result.ks_p = std::min(1.0, p * static_cast<double>(options.numbers));
}

void compare_means(Vectors reference, Vectors window, const EmbeddingOptions& options, EmbeddingResult& result) {
    Dice dice(options.seed ^ 0x5eedULL);
    const Fourier fourier(reference.front().size(), options.fourier, median_distance(reference, window, dice), dice);
    std::vector<double> rows;
    for (const Vectors vectors : {reference, window}) {
        for (const std::vector<float>& vector : vectors) fourier.append(vector, rows);
    }
    std::vector<double> sums(options.fourier);
    for (std::size_t i = 0; i < rows.size(); ++i) sums[i % options.fourier] += rows[i];
    std::vector<std::size_t> order(result.n + result.m);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto squares = [&](std::span<const std::size_t> chosen) {
        return squared_difference(rows, options.fourier, sums, chosen);
    };
    result.discrepancy = squares(std::span(order).last(result.n));
    std::size_t above = 0;
    for (std::size_t r = 0; r < options.permutations; ++r) {
        // The first n of a shuffle (Fisher and Yates).
        for (std::size_t i = 0; i < result.n; ++i) std::swap(order[i], order[i + dice.below(order.size() - i)]);
        if (squares(std::span(order).first(result.n)) >= result.discrepancy) ++above;
    }
    result.discrepancy_p = static_cast<double>(above + 1) / static_cast<double>(options.permutations + 1);
}

}  // namespace

RandomProjection::RandomProjection(std::size_t dimensions, std::size_t numbers, std::uint64_t seed)
    : dimensions_(dimensions), numbers_(numbers), weights_(dimensions * numbers) {
    Dice dice(seed);
    const double scale = 1 / std::sqrt(static_cast<double>(dimensions));
    for (double& weight : weights_) weight = dice.normal() * scale;
}

std::vector<double> RandomProjection::project(std::span<const float> vector) const {
    TG_ASSERT(vector.size() == dimensions_);
    std::vector<double> numbers(numbers_);
    for (std::size_t k = 0; k < numbers_; ++k) {
        for (std::size_t i = 0; i < dimensions_; ++i) {
            numbers[k] += weights_[k * dimensions_ + i] * static_cast<double>(vector[i]);
        }
    }
    return numbers;
}

EmbeddingResult compare_embeddings(Vectors reference, Vectors window, const EmbeddingOptions& options) {
    EmbeddingResult result;
    result.n = window.size();
    result.m = reference.size();
    result.enough = result.n >= std::max<std::size_t>(options.least, 1) && result.m >= options.least;
    if (!result.enough) return result;
    for (const Vectors vectors : {reference, window}) {
        for (const std::vector<float>& vector : vectors) {
            TG_ASSERT(!vector.empty() && vector.size() == reference.front().size());
        }
    }
    compare_projections(reference, window, options, result);
    compare_means(reference, window, options, result);
    return result;
}

}  // namespace tidegate::drift
