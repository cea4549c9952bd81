// The strongest directions of a sparse matrix, by chance and repetition.
//
// Algorithm   Randomised subspace iteration (Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53, 2011,
//             algorithm 4.4), orthogonalised by modified Gram-Schmidt; the small eigenproblem by cyclic Jacobi.
// Guarantee   The same matrix and seed give the same bytes on one build and machine: one thread, one order of sums.
// Memory      rows x (rank + 16) + 2 x columns x (rank + 16) floats while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tidegate::content {

/// Rows of (column, value), one behind the other.
struct SparseMatrix {
    std::size_t columns = 0;
    std::vector<std::size_t> starts{0};  // Of each row in the two below, and one past the last.
    std::vector<std::uint32_t> column;
    std::vector<float> value;

    std::size_t rows() const noexcept { return starts.size() - 1; }
    void end_row() { starts.push_back(column.size()); }
};

/// A row behind the other.
struct DenseMatrix {
    std::size_t rows = 0, columns = 0;
    std::vector<float> values;

    DenseMatrix() = default;
    DenseMatrix(std::size_t of_rows, std::size_t of_columns)
        : rows(of_rows), columns(of_columns), values(of_rows * of_columns) {}
    float* row(std::size_t at) noexcept { return values.data() + at * columns; }
    const float* row(std::size_t at) const noexcept { return values.data() + at * columns; }
};

float dot_of(const float* a, const float* b, std::size_t count) noexcept;

/// The right singular vectors of the `rank` largest singular values: a row for each column of `matrix`, `rank` (or fewer, as many as there
/// are) columns, the strongest first. Empty: `stopped` said so, or the matrix holds nothing.
DenseMatrix right_singular_vectors(const SparseMatrix& matrix, std::size_t rank, std::uint64_t seed,
                                   const std::function<bool()>& stopped);

}  // namespace tidegate::content
