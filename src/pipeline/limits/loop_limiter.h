// LoopLimiter: the limits as one event loop asks them: shared by all servers through Redis, spent from leases.
//
// Position    One a loop, between the pipeline's limit stage and RateLimiter. Without Redis it only passes on.
// Guarantee   Redis is asked at most once a turn for up to 64 keys (one more call in the same write for each further 64).
//             Permits are charged in Redis when they are taken, so over all servers and loops together no more than
//             burst + elapsed time x rate are ever admitted, counted from any instant at which a key was at rest and nothing
//             of it was leased. Within a shorter span up to (loops of all servers) x block may come on top: permits charged
//             before it and spent in it. In return at most (loops of all servers) x block permits a key are withheld from
//             others, each for at most lease_hold + 120 ms (sweep and timer), besides what a call under way has asked for; of a
//             server that dies they come back as spent ones do, with time. All rules of a request allow, or none is charged to
//             it: permits fetched for a request that another rule then denied are given back at once, but for a block.
// Algorithm   A key that comes once takes exactly one permit a request, and nothing is withheld. One that comes again within
//             lease_hold is hot: each time its permits have run out, and no call for it is under way, it asks for a block of
//             1, 2, 4, ... up to lease_max beyond what it needs, and Redis grants of those at most a sixteenth of what is left: the block shrinks to nothing as the
//             quota empties. What is left of a lease after lease_hold is given back. A denial is remembered until the next
//             permit, at most 5 s: a flooding key costs Redis one call per permit.
// Memory      Keys remembered: lease_keys_max, some 150 bytes each; requests waiting: waiting_max, some 800 bytes each. Over
//             either a request is decided in process and counted (overflows).
// Threads     The loop's.
// When it fails  Redis away, slow (its time limit) or refusing (full, not permitted): decided in process at once, against the
//             full limit in each process; RateLimiter::degraded() says so. What was admitted through Redis is noted in process
//             too, so that the change does not hand out a fresh burst. Recovers by itself: with the connection, or a second
//             after a refusal.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "pipeline/limits/lease_script.h"
#include "pipeline/limits/limiter.h"
#include "runtime/event_loop.h"
#include "store/redis.h"

namespace tidegate::limits {

struct LeaseOptions {
    std::uint32_t lease_max = 64;  // Permits beyond those needed; 0: no leases, every request asks Redis.
    Duration lease_hold = std::chrono::milliseconds(500);
    std::size_t lease_keys_max = 16'384;
    std::size_t waiting_max = 16'384;
};

class LoopLimiter final : runtime::EventLoop::Deferred, runtime::Timer {
  public:
    using Done = std::move_only_function<void(const Verdict&)>;

    /// All outlive it; `redis`, of the same loop, may be null.
    LoopLimiter(RateLimiter& limiter, runtime::EventLoop& loop, store::Redis* redis, const LeaseOptions& options);
    /// Requests that still wait are dropped without a call.
    ~LoopLimiter() override;
    LoopLimiter(const LoopLimiter&) = delete;
    LoopLimiter& operator=(const LoopLimiter&) = delete;

    /// Without Redis, at once and without allocation.
    void check_local(const Asks& asks, Verdict& out) noexcept;
    /// kPending: `done` runs later on the loop, once, with kAllowed or kDenied. Otherwise `out` is the answer and `done` is
    /// not touched.
    void check(const Asks& asks, Verdict& out, Done& done);
    /// Gives unused permits back; before the Redis connection is closed.
    void stop();

  private:
    using Mask = std::uint32_t;  // A bit an ask.

    /// What is known of a key.
    struct Key {
        KeyNeed identity;           // Its need and extra are unused.
        std::uint32_t permits = 0;  // Taken and not spent.
        std::uint32_t block = 0;    // Asked for beyond need, last time.
        SteadyTime fetched{};       // When permits were last asked for.
        SteadyTime lease_until{};   // When unspent permits go back.
        SteadyTime denied_until{};
        std::int64_t ahead_ns = 0;  // Of the TAT in Redis, at `seen`.
        SteadyTime seen{};
        std::uint64_t batch = 0;  // The last batch that it was asked for in, and where in it.
        std::size_t index = 0;
        std::uint32_t under_way = 0;  // Calls that ask for it: the key is not forgotten before they are answered.
    };
    struct Waiting {
        Asks asks;
        Mask taken = 0;  // Hold a permit already. The others wait for one, or are of rules in shadow that deny.
        Done done;
    };
    /// One script call.
    struct Batch {
        std::vector<KeyNeed> needs;
        std::vector<Waiting> requests;
    };
    /// How the asks of one request stand while it is decided.
    struct Draft {
        std::array<Key*, kAsksMax> keys{};
        Mask taken = 0;
        Mask fetch = 0;
        Mask denied = 0;
        bool refused = false;  // By a rule that is not in shadow.
    };

    void on_end_of_turn() override { send(); }
    void on_timer() override;

    bool usable();
    void degrade(const std::string& reason);
    void recover();
    void decide_degraded(const Asks& asks, Verdict& out) noexcept;

    Key* find_or_add(const Ask& ask);
    void take(const Ask& ask, Mask bit, Key* key, bool may_fetch, Draft& draft) const;
    void wait_for(const Asks& asks, const Draft& draft, Done& done);
    Batch& open_batch(std::size_t more_needs);
    void need_one(Key& key, Batch& batch);
    static void put_back(const Asks& asks, Draft& draft);
    void conclude(const Asks& asks, Draft& draft, Verdict& out);
    Standing standing_of(const Ask& ask, const Key* key, bool denied) const noexcept;

    void send();
    void on_grants(Batch& batch, const Result<std::vector<KeyGrant>>& grants);
    /// `grant` null: the call failed.
    void note(const KeyNeed& need, const KeyGrant* grant);
    void answer(Waiting& request, bool granted);
    void give_back(Key& key, std::uint32_t permits);
    void give_back_surplus(const Batch& batch);

    RateLimiter& limiter_;
    runtime::EventLoop& loop_;
    store::Redis* const redis_;
    const LeaseOptions options_;
    const std::shared_ptr<LoopLimiter*> self_;  // Null inside once this has gone: callbacks of Redis may come later.
    std::unordered_map<std::uint64_t, Key> keys_;
    std::vector<Batch> batches_;      // Of this turn.
    std::uint64_t batch_number_ = 0;  // Of the last one opened.
    std::size_t waiting_ = 0;
    SteadyTime suspended_until_{};
    bool degraded_ = false;
};

}  // namespace tidegate::limits
