// The way through a period: of which samples, fine, of 5 minutes or of an hour, each part of it is told.
//
// Guarantee   The stretches follow each other and do not overlap. The coarsest samples that are allowed tell whatever they cover whole;
//             finer ones the edges, and coarser ones what the finer do not reach back to.
// Threads     Pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace tidegate::performance {

/// Where the samples of a step are: those that end in (begin, until]; none where the two are the same.
struct Held {
    std::int64_t step_ms = 0;  // 1: as they were taken.
    UnixMillis begin = 0;
    UnixMillis until = 0;
};
inline constexpr std::size_t kSteps = 3;
/// From fine to coarse; a step is a multiple of the one before. Each `begin` lies on the second step at least, each `until` of a rolled
/// up one on its own.
using HeldSteps = std::array<Held, kSteps>;

/// Samples of `step` that end in (from, to].
struct Stretch {
    std::size_t step = 0;
    UnixMillis from = 0;
    UnixMillis to = 0;
    friend bool operator==(const Stretch&, const Stretch&) = default;
};
std::vector<Stretch> plan_scan(UnixMillis from, UnixMillis to, const HeldSteps& held, std::size_t coarsest);

}  // namespace tidegate::performance
