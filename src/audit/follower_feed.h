// FollowerFeed: hands the durable records of a log to its followers, and to each what it missed.
//
// Position    Inside a DecisionLog, whatever its home; the followers see follower.h only.
// Guarantee   follower.h's: every record once, in order. One that failed is caught up from the log a little with each batch, so that
//             it does not hold back the acknowledgements of those who append now.
// Threads     follow() before the log takes records; deliver() on one thread; health() from any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "audit/decision_log.h"
#include "audit/follower.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace tidegate::audit {

class FollowerFeed {
  public:
    using Visit = std::function<bool(std::uint64_t leaf, segments::Bytes record)>;
    /// Of the log: visits the leaves of [from, to) in order; gives the one after the last visited.
    using Scan = std::function<Result<std::uint64_t>(std::uint64_t from, std::uint64_t to, const Visit& visit)>;
    /// Of the log: the first that retention has left.
    using FirstLeaf = std::function<std::uint64_t()>;

    /// `retry`: so long after a failure a follower is tried again. `clock` outlives the feed.
    FollowerFeed(Scan scan, FirstLeaf first_leaf, Duration retry, const Clock& clock);

    /// Brings the followers to `end`, the log's, each from where it stands. They outlive the feed.
    /// kDataLoss: one holds more than the log has; or its own error.
    Result<void> follow(std::vector<Follower*> followers, std::uint64_t end);
    void deliver(const DurableRecords& records);
    std::vector<FollowerHealth> health() const;

  private:
    struct Watched {
        Follower* follower = nullptr;
        bool behind = false;
        SteadyTime retry_at{};
    };
    struct Shown {
        bool behind = false;
        std::string reason;
    };
    void give(std::size_t index, const DurableRecords& records);
    Result<void> catch_up(Follower& follower, std::uint64_t end, SteadyTime until);
    void note_failure(std::size_t index, const Error& error);

    const Scan scan_;
    const FirstLeaf first_leaf_;
    const Duration retry_;
    const Clock& clock_;
    std::vector<Watched> watched_;  // The delivering thread's; as long as follow() has made it.
    mutable Mutex shown_mutex_;
    std::vector<Shown> shown_ TG_GUARDED_BY(shown_mutex_);  // Of the same followers.
};

}  // namespace tidegate::audit
