// Batching: what a route that merges requests has of its own: who waits, and the calls under way on each loop.
//
// Position    Below BatchItem, which brings one client's part; above Fetch, by which each merged call is an ordinary one, with
//             admission, breaker, balance and retry.
// Guarantee   A merged call runs on the loop that cut its batch, with that loop's client. Only requests of one tenant whose
//             fields that are passed on are equal, credentials among them, share a call. A deadline is kept to about 1 ms.
// Memory      The items that wait (MicroBatcher) and the answers of calls under way (BatchCall).
// Threads     One for all loops; of a Seat, its loop's.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/upstream/micro_batcher.h"
#include "pipeline/upstream/settings.h"
#include "services/proxy/fetch.h"

namespace tidegate::proxy {

class BatchCall;

/// What the requests of one batch have in common; goes with the first of them.
struct BatchQuestion {
    std::string target;
    http::Headers headers;    // Equal for all.
    std::string others;       // Members of the body beside the items.
    std::string traceparent;  // Of the first: the call is a part of its trace.
    std::string tracestate;
};

/// What became of a merged call, for each of its requests.
struct BatchOutcome {
    BatchFacts facts;
    std::string target;
    int status = 200;      // 4xx: the upstream's answer to this one request alone, with `body`.
    http::Headers fields;  // For each client.
    std::string body;
    FetchFailure failure;  // When nothing else is said; its `error` is empty otherwise.
};

class Batching {
  public:
    /// `upstream` and `clock` outlive it.
    Batching(const upstream::BatchSettings& settings, Upstream& upstream, upstream::Priority priority,
             const Clock& clock);
    ~Batching();

    void prepare_loops(unsigned loops);
    /// `loop` outlives the seat, which on_loop_stop() ends with its calls.
    void on_loop_start(unsigned index, const FetchLoop& loop);
    void on_loop_stop(unsigned index);

    /// On a loop; the item is told on it. As MicroBatcher::submit().
    Result<upstream::MicroBatcher::ItemId> submit(upstream::MicroBatcher::Item item, SteadyTime now);
    void cancel(upstream::MicroBatcher::ItemId id) { batcher_.cancel(id); }

    const upstream::MicroBatcher& batcher() const noexcept { return batcher_; }

    const upstream::BatchSettings settings;

  private:
    friend class BatchCall;
    struct Seat;
    struct Place {
        std::atomic<std::thread::id> thread{};
        std::unique_ptr<Seat> seat;  // That thread's.
    };
    Seat* here() const noexcept;
    void send(upstream::Batch batch, upstream::BatchDone done);
    void arm(Seat& seat);

    Upstream& upstream_;
    const upstream::Priority priority_;
    const Clock& clock_;
    std::vector<std::unique_ptr<Place>> places_;
    std::atomic<unsigned> seats_{0};  // Loops that run.
    upstream::MicroBatcher batcher_;
};

}  // namespace tidegate::proxy
