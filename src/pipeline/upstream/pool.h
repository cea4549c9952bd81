// Pool: the targets of one upstream, and which of them a request goes to.
//
// Position    Knows no sockets: the proxy picks a target here, calls it with its loop's http::Client, and reports what came.
// Algorithm   Power of two choices (Mitzenmacher 2001): two candidates drawn by weight, the one with fewer outstanding calls
//             for its weight wins; between equals a clearly faster one (time-decayed mean of the time to first byte), else
//             the first drawn, which keeps shares true to the weights. Or smooth weighted round robin (nginx).
//             Fresh and recovered targets start at a tenth of their weight and ramp up linearly.
//             Passive ejection as Envoy's outlier detection: consecutive gateway errors, and a success rate below the mean
//             of the others less 1.9 deviations; ejection time grows with each and decays; never more than a share is out.
// Guarantee   A target is never picked twice by one request, nor while its breaker is open, nor while it is ejected or fails
//             its health checks, unless so many are out that those verdicts cannot be trusted (panic): then they are
//             ignored, the breakers never. Who gets no target learns when to come back.
// Memory      At most 64 targets; some 600 bytes each and the breaker's window.
// Threads     Any thread may do anything; every loop asks for its own requests. pick() takes no lock while all breakers are
//             closed (round robin: a short one). The listener runs on the thread that caused the event. The pool outlives
//             its leases.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "http/client/client.h"
#include "pipeline/upstream/breaker.h"
#include "pipeline/upstream/outcome.h"

namespace tidegate::upstream {

struct BalanceOptions {
    bool round_robin = false;  // Instead of least outstanding.
    Duration slow_start = std::chrono::seconds(10);
    double panic_share = 0.5;  // Below this share of usable targets ejection and health checks are ignored. 0: never.
};

struct OutlierOptions {
    bool enabled = true;
    std::uint32_t errors_max = 5;  // Consecutive gateway failures.
    Duration interval = std::chrono::seconds(10);
    Duration eject_for = std::chrono::seconds(30);  // Times the count of ejections in a row.
    Duration eject_max = std::chrono::seconds(300);
    double ejected_share_max = 0.1;  // At least one target may be out, never the last one.
    std::uint32_t hosts_min = 5;     // The success rate is compared from so many targets on ...
    std::uint32_t calls_min = 100;   // ... with so many calls each in the interval.
    double deviations = 1.9;
};

struct PoolOptions {
    BalanceOptions balance;
    BreakerOptions breaker;
    OutlierOptions outlier;
};

struct PoolTarget {
    http::Origin origin;
    std::string name;  // For labels and logs: `http://127.0.0.1:9000`.
    std::uint32_t weight = 1;
};

/// Targets a request has tried, a bit each.
using TargetSet = std::uint64_t;
inline constexpr std::size_t kTargetsMax = 64;

/// Why there is no target, and when asking again makes sense.
struct NoTarget {
    bool all_tried = false;  // Others could serve, but this request has been there.
    Duration retry_after{};  // At least a second.
};

struct TargetEvent {
    enum class Kind : std::uint8_t { kBreaker, kEjected, kReturned, kHealthy, kUnhealthy };
    Kind kind = Kind::kBreaker;
    std::size_t target = 0;
    std::string_view pool;
    std::string_view name;
    BreakerChange breaker;   // kBreaker.
    std::string_view why;    // A literal.
    Duration ejected_for{};  // kEjected.
};

struct TargetSnapshot {
    std::string name;
    std::uint32_t weight = 1;
    bool usable = false;  // Would be picked now.
    bool healthy = true;  // By active checks; true while there are none.
    Duration ejected_left{};
    BreakerSnapshot breaker;
    std::uint32_t outstanding = 0;
    double first_byte_ms = 0;  // Decayed mean; 0 before the first answer.
    std::uint64_t picked = 0;
    std::uint64_t ejections = 0;
    std::array<std::uint64_t, kOutcomes> outcomes{};
};

struct PoolSnapshot {
    std::string name;
    std::vector<TargetSnapshot> targets;
    std::uint64_t picked = 0;
    std::uint64_t picked_in_panic = 0;
    std::uint64_t no_target = 0;
    bool panic = false;
};

class Pool;

/// One call to one target. Report once what the head said, end when the last byte has passed. Dropped unended: client gone.
class Lease {
  public:
    Lease() = default;
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    explicit operator bool() const noexcept { return pool_ != nullptr; }
    std::size_t target() const noexcept { return target_; }
    /// For `tried` of the next pick().
    TargetSet bit() const noexcept { return TargetSet{1} << target_; }
    const http::Origin& origin() const noexcept;
    const std::string& name() const noexcept;
    bool is_probe() const noexcept { return ticket_.probe; }

    /// The verdict as soon as it is known (the answer's head), so that a long stream judges at its start. The first counts.
    void report(Outcome outcome, std::optional<Duration> first_byte, SteadyTime now);
    /// Ends the call. After a good report a failure (half a body) is counted in addition.
    void end(Outcome outcome, std::optional<Duration> first_byte, SteadyTime now);

  private:
    friend class Pool;
    Lease(Pool& pool, std::size_t target, Breaker::Ticket ticket) : pool_(&pool), target_(target), ticket_(ticket) {}
    Pool* pool_ = nullptr;
    std::size_t target_ = 0;
    Breaker::Ticket ticket_;
    std::optional<Outcome> reported_;
};

class Pool {
  public:
    using Listener = std::function<void(const TargetEvent&)>;

    /// 1 to kTargetsMax targets with weights of at least 1. `random` outlives it.
    Pool(std::string name, std::vector<PoolTarget> targets, const PoolOptions& options, Random& random, SteadyTime now,
         Listener listener = {});
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    std::expected<Lease, NoTarget> pick(TargetSet tried, SteadyTime now);

    const std::string& name() const noexcept { return name_; }
    std::size_t size() const noexcept { return targets_.size(); }
    const PoolTarget& target(std::size_t index) const noexcept;
    /// The verdict of the active checks.
    void set_health(std::size_t target, bool healthy, std::string_view why, SteadyTime now);
    bool is_healthy(std::size_t target) const noexcept;
    /// An operator's word on the breaker: kForcedOpen, kDisabled, kClosed.
    void force(std::size_t target, BreakerState state);
    PoolSnapshot snapshot(SteadyTime now) const;

  private:
    friend class Lease;
    struct Target;
    struct Candidates;

    void gather(Candidates& into, TargetSet tried, SteadyTime now) const;
    std::size_t draw_two(const Candidates& from, SteadyTime now);
    std::size_t next_in_turn(const Candidates& from) TG_EXCLUDES(mutex_);
    bool is_ejected(const Target& target, SteadyTime now) const noexcept;
    bool is_better(const Target& challenger, double weight, const Target& held, double held_weight,
                   SteadyTime now) const noexcept;
    double weight_now(const Target& target, SteadyTime now) const noexcept;
    NoTarget none(TargetSet tried, SteadyTime now);
    void judge(std::size_t target, Breaker::Ticket ticket, Outcome outcome, std::optional<Duration> first_byte,
               SteadyTime now);
    void release(std::size_t target) noexcept;
    void eject(std::size_t target, std::string_view why, SteadyTime now) TG_EXCLUDES(mutex_);
    void sweep_if_due(SteadyTime now) TG_EXCLUDES(mutex_);
    void learn(Target& target, Duration first_byte, SteadyTime now) noexcept;
    void tell(TargetEvent event) const;

    const std::string name_;
    const PoolOptions options_;
    Random& random_;
    const Listener listener_;
    std::vector<std::unique_ptr<Target>> targets_;
    std::atomic<std::int64_t> sweep_at_;
    std::atomic<std::uint64_t> picked_in_panic_{0};
    std::atomic<std::uint64_t> no_target_{0};
    mutable Mutex mutex_;  // Ejections and the turn of round robin.
};

/// Whole seconds for a Retry-After field: rounded up, at least 1.
std::int64_t retry_after_seconds(Duration wait) noexcept;

}  // namespace tidegate::upstream
