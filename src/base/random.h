// Random: the seam for unpredictable bytes; tests use a seeded one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/mutex.h"

namespace tidegate {

class Random {
  public:
    virtual ~Random() = default;
    /// Fills the whole span. Any thread.
    virtual void fill(std::span<std::byte> out) = 0;
    std::uint64_t next_u64();
};

/// The kernel's generator (getrandom), read in blocks a thread.
class SystemRandom final : public Random {
  public:
    void fill(std::span<std::byte> out) override;
};

/// SplitMix64 (Steele, Lea, Flood 2014). Deterministic; for tests and sampling, never for secrets.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void fill(std::span<std::byte> out) override;

  private:
    Mutex mutex_;
    std::uint64_t state_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate
