#include "services/provenance/text/logistic.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <numeric>

#include "base/assert.h"

namespace tidegate::provenance::text {
namespace {

constexpr std::size_t kMemory = 8;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void add_scaled(std::vector<double>& a, double factor, const std::vector<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
}

// Parameters: one weight a column, then the bias.
class Objective {
  public:
    Objective(const SparseRows& rows, std::span<const std::uint32_t> use, std::size_t columns,
              const LogisticOptions& options)
        : rows_(rows), use_(use.begin(), use.end()), columns_(columns), options_(options), scaled_(columns) {
        if (use_.empty()) {
            use_.resize(rows.size());
            std::iota(use_.begin(), use_.end(), 0U);
        }
        for (const std::uint32_t row : use_) total_ += rows.weight(row);
        TG_ASSERT(total_ > 0);
        TG_ASSERT(options.column_scale.empty() || options.column_scale.size() == columns);
        TG_ASSERT(options.prior.empty() || options.prior.size() == columns);
    }

    std::size_t size() const { return columns_ + 1; }
    double scale(std::size_t i) const { return options_.column_scale.empty() ? 1.0 : options_.column_scale[i]; }

    double evaluate(const std::vector<double>& x, std::vector<double>& gradient) {
        for (std::size_t i = 0; i < columns_; ++i) scaled_[i] = x[i] * scale(i);
        gradient.assign(size(), 0);
        double loss = 0;
        for (const std::uint32_t row : use_) loss += add_row(row, x[columns_], gradient);
        loss /= total_;
        gradient[columns_] /= total_;
        for (std::size_t i = 0; i < columns_; ++i) {
            const double pull = x[i] - (options_.prior.empty() ? 0.0 : options_.prior[i]);
            gradient[i] = gradient[i] / total_ * scale(i) + options_.l2 * pull;
            loss += 0.5 * options_.l2 * pull * pull;
        }
        return loss;
    }

  private:
    double add_row(std::uint32_t row, double bias, std::vector<double>& gradient) const {
        const auto columns = rows_.columns(row);
        const auto values = rows_.values(row);
        double margin = bias;
        for (std::size_t k = 0; k < columns.size(); ++k) margin += scaled_[columns[k]] * static_cast<double>(values[k]);
        const double target = rows_.target(row);
        const double weight = rows_.weight(row);
        const double push = weight * (1.0 / (1.0 + std::exp(-margin)) - target);
        for (std::size_t k = 0; k < columns.size(); ++k) gradient[columns[k]] += push * static_cast<double>(values[k]);
        gradient[columns_] += push;
        // ln(1 + e^m) without overflow.
        const double softplus = std::max(margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
        return weight * (softplus - target * margin);
    }

    const SparseRows& rows_;
    std::vector<std::uint32_t> use_;
    std::size_t columns_;
    const LogisticOptions& options_;
    std::vector<double> scaled_;
    double total_ = 0;
};

struct Step {
    std::vector<double> move;
    std::vector<double> change;
    double inverse = 0;
};

// Two-loop recursion: an approximate inverse Hessian times the gradient.
std::vector<double> direction(const std::deque<Step>& memory, const std::vector<double>& gradient) {
    std::vector<double> q = gradient;
    std::vector<double> alphas(memory.size());
    for (std::size_t i = memory.size(); i-- > 0;) {
        alphas[i] = memory[i].inverse * dot(memory[i].move, q);
        add_scaled(q, -alphas[i], memory[i].change);
    }
    if (!memory.empty()) {
        const Step& last = memory.back();
        const double factor = 1.0 / (last.inverse * dot(last.change, last.change));
        for (double& value : q) value *= factor;
    }
    for (std::size_t i = 0; i < memory.size(); ++i) {
        add_scaled(q, alphas[i] - memory[i].inverse * dot(memory[i].change, q), memory[i].move);
    }
    return q;
}

}  // namespace

void SparseRows::begin_row(double target, double weight) {
    offsets_.push_back(columns_.size());
    targets_.push_back(target);
    weights_.push_back(weight);
}

std::span<const std::uint32_t> SparseRows::columns(std::size_t row) const noexcept {
    return std::span(columns_).subspan(offsets_[row], offsets_[row + 1] - offsets_[row]);
}

std::span<const float> SparseRows::values(std::size_t row) const noexcept {
    return std::span(values_).subspan(offsets_[row], offsets_[row + 1] - offsets_[row]);
}

LogisticFit fit_logistic(const SparseRows& rows, std::span<const std::uint32_t> use, std::size_t columns,
                         const LogisticOptions& options) {
    Objective objective(rows, use, columns, options);
    std::vector<double> x(objective.size(), 0);
    std::vector<double> gradient;
    double loss = objective.evaluate(x, gradient);
    const double first_norm = std::sqrt(dot(gradient, gradient));
    std::deque<Step> memory;
    LogisticFit fit;
    for (; fit.iterations < options.iterations_max; ++fit.iterations) {
        if (std::sqrt(dot(gradient, gradient)) <= options.tolerance * first_norm) break;
        const std::vector<double> towards = direction(memory, gradient);
        const double slope = dot(towards, gradient);
        if (slope <= 0) break;
        // Without curvature the first step has no scale: start with a small one and let it grow.
        double step = memory.empty() ? std::min(1.0, 10.0 / std::max(first_norm, 1e-12)) : 1.0;
        std::vector<double> next;
        std::vector<double> next_gradient;
        double next_loss = 0;
        bool accepted = false;
        for (int attempt = 0; attempt < 30 && !accepted; ++attempt, step *= 0.5) {
            next = x;
            add_scaled(next, -step, towards);
            next_loss = objective.evaluate(next, next_gradient);
            accepted = next_loss <= loss - 1e-4 * step * slope;
        }
        if (!accepted) break;
        Step taken{next, next_gradient, 0};
        add_scaled(taken.move, -1.0, x);
        add_scaled(taken.change, -1.0, gradient);
        const double curvature = dot(taken.move, taken.change);
        if (curvature > 1e-14) {
            taken.inverse = 1.0 / curvature;
            memory.push_back(std::move(taken));
            if (memory.size() > kMemory) memory.pop_front();
        }
        x = std::move(next);
        gradient = std::move(next_gradient);
        loss = next_loss;
    }
    fit.loss = loss;
    fit.bias = x.back();
    x.pop_back();
    for (std::size_t i = 0; i < columns; ++i) x[i] *= objective.scale(i);
    fit.weights = std::move(x);
    return fit;
}

}  // namespace tidegate::provenance::text
