// Dice: seeded numbers for sampling and simulation; the same seed gives the same numbers on every machine.
//
// Algorithm   SplitMix64 (Steele, Lea, Flood 2014), without the lock of base/random.h; normals by Marsaglia's polar method
//             (1964). Never for secrets.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/hash.h"

namespace tidegate::drift {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15ULL;
        return mix64(state_);
    }
    /// In [0, 1): 53 bits.
    double uniform() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
    /// In [0, limit); limit above 0. Bias under limit / 2^53.
    std::uint64_t below(std::uint64_t limit) noexcept {
        return static_cast<std::uint64_t>(uniform() * static_cast<double>(limit));
    }
    bool chance(double p) noexcept { return uniform() < p; }
    /// Mean 0, standard deviation 1.
    double normal() noexcept {
        double u = 0;
        double s = 0;
        do {
            u = 2 * uniform() - 1;
            const double v = 2 * uniform() - 1;
            s = u * u + v * v;
        } while (s >= 1 || s == 0);
        return u * std::sqrt(-2 * std::log(s) / s);
    }

  private:
    std::uint64_t state_;
};

}  // namespace tidegate::drift
