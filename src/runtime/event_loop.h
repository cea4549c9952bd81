// EventLoop: one thread, one epoll set, one timer wheel, and a mailbox that other threads may post to.
//
// Position    Below http/ (the server's loops, the upstream client). Knows nothing of what its handlers do.
// Guarantee   A handler runs on the loop's thread only. One clock reading a turn; one eventfd write wakes the
// loop for
//             however many tasks were posted while it was busy.
// Memory      The mailbox holds at most one task for each thing in work (an answer, a stream with new bytes);
// its owners
//             bound their number.
// Threads     run() and everything not named otherwise: the loop's thread. Mailbox::post() and stop(): any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "runtime/timer_wheel.h"

namespace tidegate::runtime {

/// Where other threads leave work for a loop. It outlives the loop as long as somebody holds it.
class Mailbox {
  public:
    using Task = std::move_only_function<void()>;

    static Result<std::shared_ptr<Mailbox>> create();
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    /// Any thread. False, and the task destroyed unrun, once the loop has ended.
    bool post(Task task) TG_EXCLUDES(mutex_);
    /// True on the thread that drains this mailbox.
    bool on_loop_thread() const noexcept {
        return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id();
    }

    // For the loop.
    void adopt() noexcept { owner_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
    /// Runs what was posted before the call; returns how many.
    std::size_t drain() TG_EXCLUDES(mutex_);
    /// Refuses later posts and destroys waiting tasks.
    void close() TG_EXCLUDES(mutex_);
    int descriptor() const noexcept { return wake_fd_; }

  private:
    explicit Mailbox(int wake_fd) : wake_fd_(wake_fd) {}

    const int wake_fd_;
    std::atomic<std::thread::id> owner_{};
    Mutex mutex_;
    std::vector<Task> tasks_ TG_GUARDED_BY(mutex_);
    bool closed_ TG_GUARDED_BY(mutex_) = false;
    std::vector<Task> running_;  // The loop's side of the swap; keeps its capacity.
};

class EventLoop {
  public:
    class Handler {
      public:
        virtual ~Handler() = default;
        /// `events`: EPOLLIN and so on.
        virtual void on_event(std::uint32_t events) = 0;
    };

    /// Something to do once at the end of a turn, such as writing all that a turn has gathered in one go. Derive, and
    /// undefer() before destruction.
    class Deferred {
      public:
        virtual ~Deferred();
        virtual void on_end_of_turn() = 0;

      private:
        friend class EventLoop;
        bool waiting_ = false;
    };

    /// A deadline kept to about a millisecond, for the few that need it: a timer of the wheel may be 20 ms late. Derive, and
    /// set_alarm() to never before destruction.
    class Alarm {
      public:
        virtual ~Alarm();
        /// Its time has come; it is not set any more and may be set again here.
        virtual void on_alarm() = 0;

      private:
        friend class EventLoop;
        SteadyTime due_ = SteadyTime::max();
    };

    static Result<std::unique_ptr<EventLoop>> create(const Clock& clock);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// The handler must outlive its registration and the turn in which it is removed (a later event of the
    /// same batch may still reach it).
    Result<void> add(int fd, Handler& handler, std::uint32_t events);
    void modify(int fd, Handler& handler, std::uint32_t events);
    void remove(int fd);

    /// Turns until stop(). Runs on the calling thread.
    void run();
    void stop() noexcept;
    /// One turn: waits at most `wait_max` for an event. For run() and for tests.
    void turn(Duration wait_max);

    /// Runs `task` once, at the end of this turn, after the hook of set_end_of_turn(); at the end of the next when it was
    /// deferred while the last tasks ran. Deferring a waiting one changes nothing.
    void defer(Deferred& task);
    void undefer(Deferred& task) noexcept;

    /// Sets or moves an alarm; SteadyTime::max() means never. Rings after the timers of a turn, never early.
    void set_alarm(Alarm& alarm, SteadyTime due);

    /// Runs at the end of every turn, after events, tasks and timers.
    void set_end_of_turn(std::move_only_function<void()> hook) { end_of_turn_ = std::move(hook); }

    /// The time read at the start of this turn's work.
    const SteadyTime& now() const noexcept { return now_; }
    TimerWheel& timers() noexcept { return timers_; }
    const std::shared_ptr<Mailbox>& mailbox() const noexcept { return mailbox_; }

  private:
    EventLoop(const Clock& clock, int epoll_fd, std::shared_ptr<Mailbox> mailbox);
    int wait_ms(Duration wait_max) const noexcept;
    void run_deferred();
    void ring_alarms();

    const Clock& clock_;
    const int epoll_fd_;
    std::shared_ptr<Mailbox> mailbox_;
    SteadyTime now_;
    TimerWheel timers_;
    std::move_only_function<void()> end_of_turn_;
    std::vector<Deferred*> deferred_;
    std::vector<Deferred*> deferred_now_;  // Those being run; null: taken back meanwhile. Both keep their capacity.
    std::vector<Alarm*> alarms_;           // Those that are set: a handful.
    std::atomic<bool> stopping_{false};
};

}  // namespace tidegate::runtime
