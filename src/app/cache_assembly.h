// CacheAssembly: the response cache put together: the store and who waits for whom, of one process; with Redis the second level, on
// each loop, and the coherence with the other processes, on the first.
//
// Order       Made before the gate and the proxy. As the last of the dispatcher's listeners it is told of a loop's end after all that
//             use the second level there; Coherence stops on the first loop while its connection to Redis still stands, and the
//             object outlives every loop.
// Threads     The loops' for LoopListener; the rest: any.
#pragma once

#include <memory>
#include <optional>

#include "app/settings.h"
#include "base/json_writer.h"
#include "observe/metrics.h"
#include "pipeline/cache/flights.h"
#include "pipeline/cache/hot_keys.h"
#include "pipeline/cache/invalidator.h"
#include "pipeline/cache/store.h"
#include "pipeline/loop_parts.h"

namespace tidegate::app {

/// All of it outlives the assembly.
struct CacheNeeds {
    const AppSettings& settings;
    const Clock& clock;
    Random& random;
    runtime::WorkerPool& cpu;
};

class CacheAssembly final : public pipeline::LoopListener {
  public:
    explicit CacheAssembly(const CacheNeeds& needs);
    ~CacheAssembly() override;

    cache::ResponseStore& store() noexcept { return store_; }
    cache::Flights& flights() noexcept { return flights_; }
    cache::Invalidator& invalidator() noexcept { return invalidator_; }
    cache::HotKeys& hot_keys() noexcept { return hot_keys_; }

    void on_loop_start(pipeline::LoopParts& parts) override;
    void on_loop_stop(pipeline::LoopParts& parts) override;

    void declare_metrics(observe::Registry& registry) const;
    /// Answers were to be shared and are not, or invalidations do not get through.
    bool is_degraded() const;
    /// A value: whether answers are shared, and why not.
    void append_l2_state(JsonWriter& writer) const;
    /// Values: with all counts.
    void append_l2(JsonWriter& writer) const;
    void append_flights(JsonWriter& writer) const;

  private:
    void append_state_fields(JsonWriter& writer) const;

    const CacheNeeds needs_;
    cache::ResponseStore store_;
    cache::Flights flights_;
    cache::HotKeys hot_keys_;
    cache::L2Counters counters_;
    std::unique_ptr<cache::Coherence> coherence_;  // Null: nothing is shared.
    cache::Invalidator invalidator_;
};

}  // namespace tidegate::app
