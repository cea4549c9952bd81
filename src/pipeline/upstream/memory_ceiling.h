// MemoryCeiling: whether the process holds so much memory that new work must be refused before the machine swaps.
//
// Guarantee   At most one reading each 100 ms, whoever asks first makes it (some 2 us); everybody else reads one atomic.
//             Once over, it stays over until 5 % of the ceiling are free again. Memory that cannot be read never refuses
//             anybody, and is counted.
// Threads     Any. `relieve` is called on the thread that saw it: it should only hand over to a pool (malloc_trim).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/clock.h"

namespace tidegate::upstream {

struct MemoryOptions {
    std::uint64_t bytes_max = 0;  // 0: by share_max alone.
    double share_max = 0.9;       // Of what the control group or the machine allows.
};

/// What the control group (v2 or v1) or the machine allows this process, the smallest; nullopt when unknown.
std::optional<std::uint64_t> memory_allowed();
/// Resident bytes of this process; nullopt when they cannot be read. Opens nothing after the first call.
std::optional<std::uint64_t> memory_resident();

struct MemorySnapshot {
    std::uint64_t ceiling_bytes = 0;
    std::uint64_t resident_bytes = 0;  // At the last reading.
    bool over = false;
    std::uint64_t times_over = 0;
    std::uint64_t refused = 0;
    std::uint64_t unreadable = 0;
};

class MemoryCeiling {
  public:
    using Read = std::function<std::optional<std::uint64_t>()>;
    static constexpr Duration kSampleEvery = std::chrono::milliseconds(100);
    static constexpr double kBackUnder = 0.95;

    /// `allowed`: from memory_allowed(). No ceiling when neither says one. `relieve`: when it goes over, and each second
    /// that it stays so; may be empty.
    MemoryCeiling(const MemoryOptions& options, std::optional<std::uint64_t> allowed, Read read = memory_resident,
                  std::function<void()> relieve = {});

    /// True: new work is to be refused (counted) with 503.
    bool refuses(SteadyTime now);
    MemorySnapshot snapshot() const noexcept;

  private:
    void sample(SteadyTime now);

    const std::uint64_t ceiling_;
    const Read read_;
    const std::function<void()> relieve_;
    std::atomic<std::int64_t> sample_at_{INT64_MIN};
    std::atomic<std::int64_t> relieve_at_{INT64_MIN};
    std::atomic<bool> over_{false};
    std::atomic<std::uint64_t> resident_{0};
    std::atomic<std::uint64_t> times_over_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> unreadable_{0};
};

}  // namespace tidegate::upstream
