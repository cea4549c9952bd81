// Worker: one thread of a load: its connections, its schedule, its tally.
//
// Guarantee   Ends by itself: at the end of the plan's shape, at the number of requests, or when told; then what is under way has the
//             time-out to end. Open loop: a request's time begins when it was due, so waiting for a free connection, and the delay of
//             this thread itself, are in its latency. Nothing queues: an arrival that waits is only a number.
// Algorithm   An edge-triggered epoll set; an answer is followed by the next request in the same turn (closed loop), or arrivals are sent
//             as they fall due, epoll_pwait2() waiting to the nanosecond.
// Threads     run() on one thread; `stop` and `progress` are shared.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "load/mix.h"
#include "load/place.h"
#include "load/plan.h"
#include "load/tally.h"
#include "load/wire.h"

namespace tidegate::load {

/// What the threads of a run share.
struct Shared {
    const Plan& plan;
    const Mix& mix;
    const Place& place;
    SteadyTime start{};
    double interval_s = 1;
    std::atomic<bool> stop{false};         // No further request.
    std::atomic<bool> interrupted{false};  // And little time for what is under way.
    std::atomic<std::uint64_t> begun{0};   // Measured requests, where their number is limited.
};

/// Written by a worker, read by whoever shows the progress.
struct alignas(64) Progress {
    std::atomic<std::uint64_t> answers{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint64_t> latency_ns{0};  // Sum over the answers.
    std::atomic<std::uint32_t> level{0};       // Requests under way.
};

class Worker {
  public:
    Worker(Shared& shared, unsigned index, Progress& progress);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// An error: it could not begin.
    Result<void> prepare();
    void run();
    const Tally& tally() const noexcept { return tally_; }
    /// When it began no further request.
    SteadyTime ended() const noexcept { return end_; }

  private:
    struct Slot {
        Wire wire;
        SteadyTime from{};   // Its latency counts from here.
        SteadyTime retry{};  // Closed: not opened before.
        std::uint32_t operation = 0;
        bool measured = false;
        bool waiting = false;  // A closed-loop user without anything to do: parked, thinking or without a connection.
        bool thinking = false;
    };

    bool over(SteadyTime now) const noexcept { return stopping_ || now >= end_; }
    double second(SteadyTime at) const noexcept { return std::chrono::duration<double>(at - shared_.start).count(); }
    bool active(std::size_t slot, SteadyTime now) const noexcept;

    void turn();
    Duration wait_for(SteadyTime now) const noexcept;
    void handle(std::uint32_t slot, std::uint32_t events);
    void settle(std::uint32_t slot, Wire::Event event);
    void on_free(std::uint32_t slot, SteadyTime now);
    void open(std::uint32_t slot, SteadyTime now);
    void count_no_connection(std::uint32_t slot, SteadyTime now);
    /// False: the run may begin no further request.
    bool send(std::uint32_t slot, SteadyTime due, SteadyTime now);
    void send_due(SteadyTime now);
    void next_arrival();
    void tick(SteadyTime now);
    void expire(SteadyTime now);
    void end_thoughts(SteadyTime now);
    void wake_users(SteadyTime now);
    void finish();
    void count_unsent();
    void count_answer(Slot& slot, SteadyTime now);
    void count_fault(Slot& slot, Fault fault, SteadyTime now);

    Shared& shared_;
    const unsigned index_;
    Progress& progress_;
    Tally tally_;
    Draw draw_;
    Dice dice_;
    Shape shape_;  // Open loop: this thread's share of the rate. Closed: all users.
    std::shared_ptr<http::TlsClientContext> tls_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;  // Open loop: connections that stand and have nothing to do.
    std::priority_queue<std::pair<SteadyTime, std::uint32_t>, std::vector<std::pair<SteadyTime, std::uint32_t>>,
                        std::greater<>>
        thinkers_;
    std::vector<char> scratch_;
    int epoll_ = -1;
    SteadyTime measure_from_;
    SteadyTime end_;
    SteadyTime next_tick_{};
    SteadyTime due_ = SteadyTime::max();  // Open loop: of the next arrival.
    double arrivals_ = 0;                 // The area at which it is due.
    std::uint32_t busy_ = 0;
    bool waited_ = false;  // The next arrival found no free connection.
    bool stopping_ = false;
};

}  // namespace tidegate::load
