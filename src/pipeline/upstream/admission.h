// Admission: how many requests are in work at once, who waits, and who is told at once to come back later.
//
// Position    Before the pool of an upstream (or before our own handlers): ask, work, end the permit.
// Guarantee   Never more permits than the limit (fixed, or found by GradientLimit). Whoever cannot be served before its
//             deadline by the measured times is refused at once, with a Retry-After computed from them. Interactive goes
//             before batch; batch gets every eighth place, so it does not starve. Each waiter hears exactly once, on its own
//             loop, unless it cancelled in time. A permit granted to a loop that has ended goes to the next.
// Algorithm   Waiting: Codel (RFC 8289) sheds from a standing queue, oldest first; with `newest_first` the newest is served
//             while the queue stands (adaptive LIFO, Maurer 2015).
// Memory      At most `waiting_max` waiters of some 200 bytes.
// Threads     Any; one short lock, never held while a waiter is told.
// When full   A batch waiter makes room for an interactive one; else Shed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "pipeline/upstream/codel.h"
#include "pipeline/upstream/gradient_limit.h"
#include "runtime/event_loop.h"

namespace tidegate::upstream {

enum class Priority : std::uint8_t { kInteractive, kBatch };
inline constexpr std::size_t kPriorities = 2;
/// `interactive` or `batch`, any case (the X-Priority field); nullopt otherwise.
std::optional<Priority> parse_priority(std::string_view text) noexcept;
std::string_view to_string(Priority priority) noexcept;

struct AdmissionOptions {
    std::uint32_t concurrency_max = 1024;  // At once; with `adaptive` the upper end of what is found.
    bool adaptive = false;
    std::uint32_t concurrency_min = 20;  // The lower end, and where `adaptive` begins.
    std::uint32_t waiting_max = 256;     // 0: nobody waits.
    Duration wait_max = std::chrono::seconds(2);
    Duration wait_target =
        std::chrono::milliseconds(100);  // Waiting above this for a whole interval is a standing queue.
    Duration wait_interval = std::chrono::seconds(1);
    bool newest_first = false;  // While the queue stands.
};

struct Shed {
    enum class Why : std::uint8_t {
        kFull,      // The queue is full.
        kDeadline,  // It would come too late by the measured times.
        kStanding,  // The queue stands: Codel.
        kExpired,   // It waited until its deadline or wait_max.
        kMadeRoom,  // A batch request gave its place to an interactive one.
    };
    Why why = Why::kFull;
    Duration retry_after{};  // At least a second.
};
inline constexpr std::size_t kShedWhys = 5;
std::string_view to_string(Shed::Why why) noexcept;

struct AdmissionSnapshot {
    std::uint32_t limit = 0;
    std::uint32_t in_flight = 0;
    std::array<std::uint32_t, kPriorities> waiting{};
    double held_ms = 0;           // Mean time a permit is held.
    double expected_wait_ms = 0;  // Of an interactive request that came now.
    bool standing = false;
    std::uint64_t admitted = 0;
    std::uint64_t queued = 0;
    std::array<std::uint64_t, kShedWhys> shed{};
};

class Admission;

/// One request in work. end() brings the measurements; dropped unended, only the place is given back.
class Permit {
  public:
    Permit() = default;
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit();
    explicit operator bool() const noexcept { return owner_ != nullptr; }
    /// `first_byte`: absent when no answer came. `overloaded`: it timed out or the upstream said 503 or 429.
    void end(std::optional<Duration> first_byte, bool overloaded, SteadyTime now);

  private:
    friend class Admission;
    Permit(Admission& owner, SteadyTime since, std::uint32_t in_flight)
        : owner_(&owner), since_(since), in_flight_(in_flight) {}
    Admission* owner_ = nullptr;
    SteadyTime since_{};
    std::uint32_t in_flight_ = 0;  // With it, when it was granted.
};

using Admitted = std::variant<Permit, Shed>;

class Admission {
  public:
    using WaiterId = std::uint64_t;
    struct Ask {
        Priority priority = Priority::kInteractive;
        SteadyTime deadline = SteadyTime::max();
        std::shared_ptr<runtime::Mailbox> mailbox;                 // Of the asker's loop.
        std::move_only_function<void(Admitted, SteadyTime)> told;  // Called there, later, if the answer is "wait".
    };
    /// A permit or a refusal now, or the id under which it waits.
    using Answer = std::variant<Permit, Shed, WaiterId>;

    explicit Admission(const AdmissionOptions& options);
    ~Admission();
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

    Answer ask(Ask ask, SteadyTime now) TG_EXCLUDES(mutex_);
    /// True: it will not be told. False: it has been, or will be in a moment.
    bool cancel(WaiterId id) TG_EXCLUDES(mutex_);
    /// Refuses those whose time is over; returns when to call again (SteadyTime::max(): nobody waits). Any loop's timer.
    SteadyTime tick(SteadyTime now) TG_EXCLUDES(mutex_);
    AdmissionSnapshot snapshot(SteadyTime now) const TG_EXCLUDES(mutex_);

  private:
    friend class Permit;
    struct Waiter;
    struct Told;
    using Queue = std::list<Waiter>;
    using Tellings = std::vector<Told>;
    struct Place {
        std::size_t queue = 0;
        Queue::iterator waiter;
    };

    void release(std::optional<Duration> first_byte, bool overloaded, SteadyTime since, std::uint32_t in_flight,
                 std::optional<SteadyTime> now) TG_EXCLUDES(mutex_);
    void measure(std::optional<Duration> first_byte, bool overloaded, Duration held, std::uint32_t in_flight,
                 SteadyTime now) TG_REQUIRES(mutex_);
    std::uint32_t limit() const TG_REQUIRES(mutex_);
    Permit grant(SteadyTime now) TG_REQUIRES(mutex_);
    std::size_t waiting() const TG_REQUIRES(mutex_);
    Duration expected_wait(std::size_t ahead) const TG_REQUIRES(mutex_);
    Shed shed(Shed::Why why) TG_REQUIRES(mutex_);
    void grant_next(SteadyTime now, Tellings& tellings) TG_REQUIRES(mutex_);
    std::size_t next_queue() TG_REQUIRES(mutex_);
    bool make_room(Priority asking, SteadyTime now, Tellings& tellings) TG_REQUIRES(mutex_);
    void take_out(Queue& queue, Queue::iterator waiter, Admitted answer, SteadyTime now, Tellings& tellings)
        TG_REQUIRES(mutex_);
    void tell(Tellings tellings) TG_EXCLUDES(mutex_);

    const AdmissionOptions options_;
    mutable Mutex mutex_;
    std::optional<GradientLimit> gradient_ TG_GUARDED_BY(mutex_);
    std::array<Queue, kPriorities> queues_ TG_GUARDED_BY(mutex_);
    std::array<Codel, kPriorities> codels_ TG_GUARDED_BY(mutex_);
    std::unordered_map<WaiterId, Place> by_id_ TG_GUARDED_BY(mutex_);
    WaiterId next_id_ TG_GUARDED_BY(mutex_) = 1;
    std::uint32_t in_flight_ TG_GUARDED_BY(mutex_) = 0;
    std::uint32_t in_a_row_ TG_GUARDED_BY(mutex_) = 0;  // Interactive grants while batch waited.
    double held_ns_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t held_count_ TG_GUARDED_BY(mutex_) = 0;
    SteadyTime seen_ TG_GUARDED_BY(mutex_){};  // Latest time heard of, for a permit that is dropped without one.
    std::uint64_t admitted_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t queued_ TG_GUARDED_BY(mutex_) = 0;
    std::array<std::uint64_t, kShedWhys> shed_ TG_GUARDED_BY(mutex_){};
};

}  // namespace tidegate::upstream
