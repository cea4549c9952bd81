// LabelledStream: rows with a class and known places of change; made here from a seed, or read by app/ from files.
//
// Algorithm   Sine1 and Mixed: Gama et al. 2004; Circles: Kubat and Widmer 1995; SEA: Street and Kim 2001. At a place of
//             change the old concept gives way to the next along a logistic curve of `width` rows, centred half a width
//             after the place, as the public streams with these names do. `noise` of the labels are flipped.
// Memory      8 bytes a number: 1.6 MB for 100,000 rows of two features.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tidegate::drift {

struct LabelledStream {
    std::string name;
    std::string family;         // Streams of one family are averaged: `Sine1`, `Mixed`, `Circles`.
    std::size_t features = 0;   // Numbers a row.
    std::vector<double> cells;  // Row by row.
    std::vector<bool> labels;
    std::vector<std::size_t> changes;  // Row where each change begins, ascending.
    std::size_t acceptance = 250;      // An alarm within so many rows after a change is a hit.

    std::size_t rows() const noexcept { return labels.size(); }
    std::span<const double> row(std::size_t i) const noexcept {
        return std::span(cells).subspan(i * features, features);
    }
};

enum class Concept : std::uint8_t { kSine1, kMixed, kCircles, kSea };

struct StreamOptions {
    Concept concept_kind = Concept::kSine1;
    std::uint64_t seed = 1;
    std::size_t rows = 100'000;
    std::size_t every = 20'000;  // Rows between changes; at least rows: no change.
    double width = 50;
    double noise = 0.1;
    std::size_t acceptance = 250;
};

LabelledStream make_stream(const StreamOptions& options);

}  // namespace tidegate::drift
