// Reference: what a feature looked like in the period that later windows are compared with.
//
// Memory      Numeric: its cells and at most `kept` values, drawn evenly from all by a seeded reservoir (Vitter 1985):
//             80 KB. Categorical: its cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "drift/cells.h"

namespace tidegate::drift {

struct NumericReference {
    NumericCells cells;
    CellCounts counts;
    std::vector<double> sample;  // Sorted, finite.
    double mean = 0;
    double deviation = 0;  // Of the finite values, n - 1; 0 for a constant.

    /// From all values of the period; NaN and infinities count as missing.
    static NumericReference from(std::span<const double> values, std::size_t kept = 10'000, std::uint64_t seed = 1);
};

struct CategoryReference {
    CategoryCells cells;
    CellCounts counts;

    static CategoryReference from(const std::map<std::string, std::uint64_t>& seen, std::size_t top = 20);
};

}  // namespace tidegate::drift
