#include "services/content/search/svd.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/hash.h"

namespace tidegate::content {
namespace {

constexpr std::size_t kOversample = 16;  // Halko et al. advise 5 to 10; more costs little.
constexpr int kPasses = 4;               // The ninth digit of nDCG no longer changes behind the third, on SciFact.
constexpr int kSweepsMax = 12;           // Jacobi converges within 6 to 8.
constexpr float kNoLength = 1e-6F;

/// Uniform in (-1, 1): the shape of the chance does not matter to the subspace.
float chance_at(std::uint64_t seed, std::uint64_t at) noexcept {
    const std::uint64_t mixed = mix64(mix64(seed + 0x9e3779b97f4a7c15ULL * (at + 1)) ^ at);
    return static_cast<float>(mixed >> 40U) * 0x1p-23F - 1;
}

void add_scaled(float* to, const float* from, float by, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) to[i] += by * from[i];
}

/// matrix x right
DenseMatrix times(const SparseMatrix& matrix, const DenseMatrix& right) {
    DenseMatrix out(matrix.rows(), right.columns);
    for (std::size_t row = 0; row < matrix.rows(); ++row) {
        for (std::size_t i = matrix.starts[row]; i < matrix.starts[row + 1]; ++i) {
            add_scaled(out.row(row), right.row(matrix.column[i]), matrix.value[i], right.columns);
        }
    }
    return out;
}

/// matrix transposed x right
DenseMatrix transposed_times(const SparseMatrix& matrix, const DenseMatrix& right) {
    DenseMatrix out(matrix.columns, right.columns);
    for (std::size_t row = 0; row < matrix.rows(); ++row) {
        for (std::size_t i = matrix.starts[row]; i < matrix.starts[row + 1]; ++i) {
            add_scaled(out.row(matrix.column[i]), right.row(row), matrix.value[i], right.columns);
        }
    }
    return out;
}

DenseMatrix turned(const DenseMatrix& of) {
    DenseMatrix out(of.columns, of.rows);
    for (std::size_t row = 0; row < of.rows; ++row) {
        for (std::size_t column = 0; column < of.columns; ++column) out.row(column)[row] = of.row(row)[column];
    }
    return out;
}

/// Makes the columns of `of` orthonormal, twice over for the digits that the first time loses; those that depend on others become zero.
void make_orthonormal(DenseMatrix& of, const std::function<bool()>& stopped) {
    DenseMatrix columns = turned(of);
    for (std::size_t at = 0; at < columns.rows && !stopped(); ++at) {
        float* mine = columns.row(at);
        const float before = std::sqrt(dot_of(mine, mine, columns.columns));
        for (int pass = 0; pass < 2; ++pass) {
            for (std::size_t other = 0; other < at; ++other) {
                const float* theirs = columns.row(other);
                add_scaled(mine, theirs, -dot_of(mine, theirs, columns.columns), columns.columns);
            }
        }
        const float length = std::sqrt(dot_of(mine, mine, columns.columns));
        const float by = length > kNoLength * before && length > 0 ? 1 / length : 0;
        for (std::size_t i = 0; i < columns.columns; ++i) mine[i] *= by;
    }
    of = turned(columns);
}

/// Symmetric, in doubles.
class Jacobi {
  public:
    explicit Jacobi(std::size_t size) : size_(size), a_(size * size), vectors_(size * size) {
        for (std::size_t i = 0; i < size; ++i) vectors_[i * size + i] = 1;
    }
    double& at(std::size_t row, std::size_t column) noexcept { return a_[row * size_ + column]; }
    /// Row `of`: the eigenvector that belongs to at(of, of).
    double vector(std::size_t of, std::size_t i) const noexcept { return vectors_[of * size_ + i]; }

    void solve(const std::function<bool()>& stopped) {
        double whole = 0;
        for (const double one : a_) whole += one * one;
        for (int sweep = 0; sweep < kSweepsMax && !stopped(); ++sweep) {
            double off = 0;
            for (std::size_t p = 0; p < size_; ++p) {
                for (std::size_t q = p + 1; q < size_; ++q) off += at(p, q) * at(p, q);
            }
            if (off <= whole * 1e-18) return;
            for (std::size_t p = 0; p < size_; ++p) {
                for (std::size_t q = p + 1; q < size_; ++q) rotate(p, q);
            }
        }
    }

  private:
    void rotate(std::size_t p, std::size_t q) noexcept {
        const double between = at(p, q);
        if (between * between <= at(p, p) * at(q, q) * 1e-30) return;
        const double theta = (at(q, q) - at(p, p)) / (2 * between);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::size_t i = 0; i < size_; ++i) turn(a_[i * size_ + p], a_[i * size_ + q], c, s);
        for (std::size_t i = 0; i < size_; ++i) turn(a_[p * size_ + i], a_[q * size_ + i], c, s);
        for (std::size_t i = 0; i < size_; ++i) turn(vectors_[p * size_ + i], vectors_[q * size_ + i], c, s);
    }
    static void turn(double& x, double& y, double c, double s) noexcept {
        const double kept = x;
        x = c * kept - s * y;
        y = s * kept + c * y;
    }

    std::size_t size_;
    std::vector<double> a_, vectors_;
};

/// The singular vectors of the matrix whose rows `basis` spans: `image` is the matrix transposed x basis.
DenseMatrix strongest(const DenseMatrix& image, std::size_t rank, const std::function<bool()>& stopped) {
    const std::size_t size = image.columns;
    Jacobi small(size);
    for (std::size_t row = 0; row < image.rows; ++row) {
        const float* values = image.row(row);
        for (std::size_t p = 0; p < size; ++p) {
            const double mine = static_cast<double>(values[p]);
            for (std::size_t q = p; q < size; ++q) small.at(p, q) += mine * static_cast<double>(values[q]);
        }
    }
    for (std::size_t p = 0; p < size; ++p) {
        for (std::size_t q = 0; q < p; ++q) small.at(p, q) = small.at(q, p);
    }
    small.solve(stopped);
    if (stopped()) return {};
    std::vector<std::size_t> order(size);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
        return small.at(a, a) > small.at(b, b) || (small.at(a, a) >= small.at(b, b) && a < b);
    });
    const double least = small.at(order[0], order[0]) * 1e-9;
    std::size_t kept = 0;
    while (kept < std::min(rank, size) && small.at(order[kept], order[kept]) > least) ++kept;
    DenseMatrix turn(size, kept);
    for (std::size_t to = 0; to < kept; ++to) {
        const double scale = 1 / std::sqrt(small.at(order[to], order[to]));
        for (std::size_t i = 0; i < size; ++i) turn.row(i)[to] = static_cast<float>(small.vector(order[to], i) * scale);
    }
    DenseMatrix out(image.rows, kept);
    for (std::size_t row = 0; row < image.rows; ++row) {
        for (std::size_t i = 0; i < size; ++i) add_scaled(out.row(row), turn.row(i), image.row(row)[i], kept);
    }
    return out;
}

}  // namespace

float dot_of(const float* a, const float* b, std::size_t count) noexcept {
    // Eight sums side by side: the compiler may not reorder a single one, and so could not use a vector register.
    constexpr std::size_t kLanes = 8;
    float lanes[kLanes] = {};
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
    }
    float sum = 0;
    for (const float one : lanes) sum += one;
    for (; i < count; ++i) sum += a[i] * b[i];
    return sum;
}

DenseMatrix right_singular_vectors(const SparseMatrix& matrix, std::size_t rank, std::uint64_t seed,
                                   const std::function<bool()>& stopped) {
    const std::size_t width = std::min({rank + kOversample, matrix.rows(), matrix.columns});
    if (width == 0 || matrix.value.empty()) return {};
    DenseMatrix chance(matrix.columns, width);
    for (std::size_t i = 0; i < chance.values.size(); ++i) chance.values[i] = chance_at(seed, i);
    DenseMatrix basis = times(matrix, chance);
    chance = {};
    for (int pass = 0; pass < kPasses; ++pass) {
        if (stopped()) return {};
        make_orthonormal(basis, stopped);
        if (pass + 1 < kPasses) basis = times(matrix, transposed_times(matrix, basis));
    }
    const DenseMatrix image = transposed_times(matrix, basis);
    if (stopped()) return {};
    return strongest(image, rank, stopped);
}

}  // namespace tidegate::content
