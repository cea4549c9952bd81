// Logistic regression with L2, sparse or dense, by L-BFGS: the one learner of the text detector.
//
// Guarantee   Deterministic: the same rows in the same order give the same weights, bit for bit, on one machine.
// Algorithm   Limited-memory BFGS (Nocedal 1980, m = 8) with back-tracking on the Armijo condition; the loss is convex.
// Memory      12 bytes a stored value, and 20 doubles a feature while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::provenance::text {

/// Rows of (column, value); build with add() between begin_row() calls.
class SparseRows {
  public:
    void begin_row(double target, double weight);
    void add(std::uint32_t column, float value) {
        columns_.push_back(column);
        values_.push_back(value);
        offsets_.back() = columns_.size();
    }
    std::size_t size() const noexcept { return targets_.size(); }
    std::span<const std::uint32_t> columns(std::size_t row) const noexcept;
    std::span<const float> values(std::size_t row) const noexcept;
    double target(std::size_t row) const noexcept { return targets_[row]; }
    double weight(std::size_t row) const noexcept { return weights_[row]; }

  private:
    std::vector<std::size_t> offsets_{0};  // offsets_[r + 1] is the end of row r.
    std::vector<std::uint32_t> columns_;
    std::vector<float> values_;
    std::vector<double> targets_;  // 0 or 1.
    std::vector<double> weights_;
};

struct LogisticOptions {
    /// Penalty l2 / 2 * sum of (weight - prior)^2, against the mean loss of a row of weight 1. The bias is free.
    double l2 = 1e-4;
    unsigned iterations_max = 60;
    /// Stops when the gradient's norm falls below this share of the first.
    double tolerance = 1e-4;
    /// One factor a column, as if every value were multiplied by it; empty for none.
    std::span<const float> column_scale;
    /// Where the penalty pulls to; empty for 0.
    std::span<const double> prior;
};

struct LogisticFit {
    std::vector<double> weights;  // To be used with the plain values: column_scale is multiplied in.
    double bias = 0;
    double loss = 0;
    unsigned iterations = 0;
};

/// Fits on the rows listed in `use` (all when empty).
LogisticFit fit_logistic(const SparseRows& rows, std::span<const std::uint32_t> use, std::size_t columns,
                         const LogisticOptions& options);

}  // namespace tidegate::provenance::text
