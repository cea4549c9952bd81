// TimerWheel: thousands of coarse timers on one thread, where moving a deadline later costs one store.
//
// Algorithm   Hashed wheel (Varghese and Lauck 1987) of 256 slots of 20 ms. A deadline beyond the 5.12 s
// horizon waits in
//             the last slot and is placed anew when that slot comes round. A deadline moved later is only
//             noted: the timer fires early once, is looked at and placed anew (the usual fate of a keep-alive
//             time-out).
// Guarantee   A timer never fires early and at most one slot late, plus the time the loop was busy.
// Memory      Intrusive: no allocation after construction.
// Threads     One thread, the loop's.
#pragma once

#include <array>
#include <cstddef>

#include "base/clock.h"

namespace tidegate::runtime {

class TimerWheel;

/// One deadline. Derive, and cancel() before destruction.
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

  protected:
    virtual ~Timer();
    /// The deadline has passed; the timer is no longer scheduled and may be scheduled again here.
    virtual void on_timer() = 0;

  private:
    friend class TimerWheel;
    Timer* previous_ = nullptr;
    Timer* next_ = nullptr;
    SteadyTime deadline_{};
    SteadyTime looked_at_{};  // When its slot comes round.
};

class TimerWheel {
  public:
    static constexpr Duration kTick = std::chrono::milliseconds(20);
    static constexpr std::size_t kSlots = 256;

    explicit TimerWheel(SteadyTime now);
    ~TimerWheel();
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    /// Sets or moves the deadline. SteadyTime::max() means never.
    void schedule(Timer& timer, SteadyTime deadline);
    void cancel(Timer& timer) noexcept;
    /// Fires what is due.
    void advance(SteadyTime now);
    /// When advance() has something to look at next; SteadyTime::max() when nothing is scheduled.
    SteadyTime next_look() const noexcept { return next_look_; }

  private:
    struct Anchor final : Timer {
        void on_timer() override {}
        ~Anchor() override = default;
    };
    static void link(Timer& anchor, Timer& timer) noexcept;
    static void unlink(Timer& timer) noexcept;
    void place(Timer& timer);
    void run_slot(std::size_t slot, SteadyTime now);
    void find_next_look();
    std::int64_t tick_of(SteadyTime time) const noexcept;

    std::array<Anchor, kSlots> slots_;
    SteadyTime origin_;
    std::int64_t ticks_done_ = 0;  // Slots up to and with this tick have been run.
    SteadyTime next_look_ = SteadyTime::max();
};

}  // namespace tidegate::runtime
