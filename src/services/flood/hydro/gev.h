// Gev: the generalised extreme value distribution of yearly maxima, and what flow comes back every T years.
//
// Algorithm   L-moments by unbiased probability-weighted moments; shape by Hosking's approximation (Hosking, Wallis, Wood 1985). With
//             fewer than ten years the shape cannot be told, and Gumbel's (shape 0) is used.
#pragma once

#include <optional>
#include <span>

namespace tidegate::flood {

struct Gev {
    double location = 0, scale = 1;
    double shape = 0;  // Hosking's k: above 0 there is a highest possible value.

    /// The value that a year's maximum passes with probability 1/T; T > 1.
    double return_level(double years) const noexcept;
};

/// None for fewer than two different maxima.
std::optional<Gev> fit_gev(std::span<const double> yearly_maxima);

}  // namespace tidegate::flood
