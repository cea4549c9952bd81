// Nab: the score of the Numenta Anomaly Benchmark, one threshold for all series.
//
// Source      The published rules (Lavin, Ahmad 2015): the first detection in a window counts, more the earlier; one outside costs, more the
//             farther behind a window; the first 15 % of a series (750 values at most) do not count.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace tidegate::flood {

struct NabSeries {
    std::vector<double> scores;                                // An anomaly score a value.
    std::vector<std::pair<std::size_t, std::size_t>> windows;  // First and last row, in order.
};

struct NabScore {
    double threshold = 0;
    double standard = 0;  // 100 is perfect, 0 is who says nothing.
};
NabScore nab_at(std::span<const NabSeries> all, double threshold);
/// At the threshold that is best for these series.
NabScore nab_best(std::span<const NabSeries> all);

}  // namespace tidegate::flood
