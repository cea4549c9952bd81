#include "drift/reference.h"

#include <algorithm>
#include <cmath>

#include "drift/dice.h"

namespace tidegate::drift {

NumericReference NumericReference::from(std::span<const double> values, std::size_t kept, std::uint64_t seed) {
    NumericReference reference;
    Dice dice(seed);
    double n = 0;
    double squares = 0;
    for (const double value : values) {
        if (!std::isfinite(value)) continue;
        n += 1;
        const double before = value - reference.mean;
        reference.mean += before / n;
        squares += before * (value - reference.mean);
        if (reference.sample.size() < kept) {
            reference.sample.push_back(value);
        } else if (const std::uint64_t place = dice.below(static_cast<std::uint64_t>(n)); place < kept) {
            reference.sample[place] = value;
        }
    }
    reference.deviation = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
    std::ranges::sort(reference.sample);
    reference.cells = NumericCells(reference.sample);
    reference.counts = CellCounts(reference.cells.size());
    for (const double value : values) {
        reference.counts.add(std::isfinite(value) ? reference.cells.cell_of(value) : reference.cells.missing());
    }
    return reference;
}

CategoryReference CategoryReference::from(const std::map<std::string, std::uint64_t>& seen, std::size_t top) {
    CategoryReference reference;
    reference.cells = CategoryCells(seen, top);
    reference.counts = CellCounts(reference.cells.size());
    for (const auto& [word, count] : seen) reference.counts.add(reference.cells.cell_of(word), count);
    return reference;
}

}  // namespace tidegate::drift
