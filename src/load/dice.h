// Dice: the numbers that a load is made of: seeded, fast, the same on every machine.
//
// Algorithm   SplitMix64 (Steele, Lea, Flood 2014): 1 ns a number, no lock; base's SeededRandom is the same behind one.
// Threads     One thread each.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/hash.h"

namespace tidegate::load {

class Dice {
  public:
    explicit Dice(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15ULL;
        return mix64(state_);
    }
    /// In [0, 1).
    double unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1p-53; }
    /// In [0, bound); bound is at least 1. The bias is under bound / 2^32.
    std::uint64_t below(std::uint64_t bound) noexcept { return (next() >> 32U) * bound >> 32U; }
    /// In [low, high], both ends.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept { return low + below(high - low + 1); }
    /// Exponential with mean 1.
    double exponential() noexcept { return -std::log(1.0 - unit()); }

  private:
    std::uint64_t state_;
};

/// A seed of its own for each of several things that are made from one.
inline std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t index) noexcept {
    return mix64(mix64(seed + 0x9e3779b97f4a7c15ULL) ^ (index + 1));
}

}  // namespace tidegate::load
