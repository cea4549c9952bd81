// RouteStages: where the time of one route's requests went, by stage, in all and in the slow ones.
//
// Guarantee   The stages of a request add up to its time: what no stage has named, up to the last byte, counts as `send`.
// Slow        A request that took at least slow_from(): the route's own 95th percentile, set by whoever samples. Before it is first set
//             none is.
// Memory      3.3 KB a route. A twenty-fifth stage is not kept.
// Threads     add() on any thread without a lock. read() on any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "base/clock.h"
#include "observe/metrics.h"
#include "observe/trace.h"

namespace tidegate::pipeline {

class RouteStages {
  public:
    /// `times`: one series a stage, label `stage`.
    explicit RouteStages(observe::Family<observe::Histogram>& times) : times_(times) {}

    void add(const observe::StageTimes& stages, Duration took);
    void set_slow_from(std::uint64_t ns) noexcept { slow_from_ns_.store(ns, std::memory_order_relaxed); }

    struct Totals {
        std::string stage;
        std::uint64_t requests = 0;
        std::uint64_t ns = 0;
        std::uint64_t slow_ns = 0;
    };
    std::vector<Totals> read() const;
    std::uint64_t slow() const noexcept;

  private:
    static constexpr std::size_t kStagesMax = 24;
    struct Cell {
        std::atomic<const char*> name{nullptr};
        std::atomic<observe::Histogram*> times{nullptr};
        std::atomic<std::uint64_t> requests{0};
        std::atomic<std::uint64_t> ns{0};
        std::atomic<std::uint64_t> slow_ns{0};
    };
    struct alignas(64) Shard {
        std::atomic<std::uint64_t> slow{0};
        std::array<Cell, kStagesMax> cells;
    };
    void add_one(Shard& shard, const char* name, std::uint64_t ns, bool slow);
    Cell* cell_of(Shard& shard, const char* name);

    observe::Family<observe::Histogram>& times_;
    std::atomic<std::uint64_t> slow_from_ns_{std::numeric_limits<std::uint64_t>::max()};
    std::array<Shard, 4> shards_;
};

}  // namespace tidegate::pipeline
