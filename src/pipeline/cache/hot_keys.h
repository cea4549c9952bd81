// HotKeys: the most requested keys of the last period, with what it takes to ask again: for warm-up and for the operator.
//
// Algorithm   SpaceSaving (Metwally, Agrawal, El Abbadi 2005) over one request in kSampling: kKeysMax counters; a new key takes the
//             place of the least counted one and inherits its count as its possible error.
// Guarantee   A key asked for more often than one in kKeysMax is in the list; count - error <= its requests <= count, both in
//             sampled requests times kSampling.
// Memory      kKeysMax keys a period, two periods, with up to kReplayBytesMax of text each: at most 2 MiB.
// Threads     Any. Fifteen requests of sixteen cost a few instructions, the sixteenth some 200 ns under a spin lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "pipeline/cache/key.h"
#include "pipeline/cache/spin_lock.h"

namespace tidegate::cache {

struct HotKey {
    std::string replay;
    std::uint64_t count = 0;
    std::uint64_t error = 0;
};

class HotKeys {
  public:
    static constexpr std::size_t kKeysMax = 512;
    static constexpr std::size_t kReplayBytesMax = 2048;
    static constexpr std::uint64_t kSampling = 16;

    explicit HotKeys(Duration period = std::chrono::hours(1)) : period_(period) {}

    /// A request for `key`. `replay` makes the text by which whoever notes can ask the same again; it is called for one request in
    /// kSampling. A text longer than kReplayBytesMax is not noted.
    template <class Replay>
    void note(const Key& key, SteadyTime now, const Replay& replay) TG_EXCLUDES(lock_) {
        if (sampled()) note_sampled(key, now, replay());
    }
    /// The `n` most requested of the last whole period and the one under way, most first.
    std::vector<HotKey> top(std::size_t n, SteadyTime now) TG_EXCLUDES(lock_);

  private:
    struct Counter {
        std::uint64_t hash = 0;
        std::uint64_t count = 0;
        std::uint64_t error = 0;
        std::string replay;
    };
    struct Period {
        std::vector<Counter> counters;
        std::unordered_map<std::uint64_t, std::size_t> at;  // Hash to place in `counters`.
    };
    static bool sampled() noexcept;
    void note_sampled(const Key& key, SteadyTime now, std::string replay) TG_EXCLUDES(lock_);
    void turn_over(SteadyTime now) TG_REQUIRES(lock_);

    const Duration period_;
    SpinLock lock_;
    SteadyTime began_ TG_GUARDED_BY(lock_) = SteadyTime::min();
    Period current_ TG_GUARDED_BY(lock_), last_ TG_GUARDED_BY(lock_);
};

}  // namespace tidegate::cache
