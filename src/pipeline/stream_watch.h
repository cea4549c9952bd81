// StreamWatch: ends the streams and tunnels of a key or token that is good no more while they run.
//
// Position    Context adds each stream and tunnel of a caller with a key or token; each loop looks at its own every kEvery.
// Guarantee   The stream of a key that is revoked (and seen to be: Identity::kWatchEvery), or of a key or token past its end, is
//             cut within kEvery: never ended as if it were whole; logged, counted, and reported with status 401. Short answers
//             are not looked at: they are over before anybody could.
// Memory      16 bytes a running stream; what has ended is forgotten within kEvery.
// Threads     add() on any thread; the rest on each loop's. The lock is of one loop's bucket and held for a push or a sweep.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "observe/metrics.h"
#include "pipeline/loop_parts.h"

namespace tidegate::pipeline {

class Context;

class StreamWatch final : public LoopListener {
  public:
    static constexpr Duration kEvery = std::chrono::milliseconds(500);

    /// `cut` counts the streams that were ended; it outlives this.
    explicit StreamWatch(observe::Counter& cut);
    ~StreamWatch() override;
    StreamWatch(const StreamWatch&) = delete;
    StreamWatch& operator=(const StreamWatch&) = delete;

    /// A stream of this context has begun, on the loop of that number. Nothing happens for a caller without a key or token.
    void add(const std::shared_ptr<Context>& context, unsigned loop_index);

    void on_loop_start(LoopParts& parts) override;
    void on_loop_stop(LoopParts& parts) override;

  private:
    class Rounds;
    /// Ends what has to end in one loop's bucket.
    void sweep(unsigned loop_index);

    struct Bucket {
        Mutex mutex;
        std::vector<std::weak_ptr<Context>> running TG_GUARDED_BY(mutex);
        std::unique_ptr<Rounds> rounds;  // The loop's.
    };
    Bucket& bucket(unsigned loop_index);

    observe::Counter& cut_;
    Mutex mutex_;
    std::vector<std::unique_ptr<Bucket>> buckets_ TG_GUARDED_BY(mutex_);  // By the loop's number.
};

}  // namespace tidegate::pipeline
