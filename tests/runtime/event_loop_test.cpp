// The loop, its mailbox and its timer wheel.
#include "runtime/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"

namespace tidegate::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Recorder final : public Timer {
  public:
    Recorder(TimerWheel& wheel, const ManualClock& clock) : wheel_(wheel), clock_(clock) {}
    ~Recorder() override { wheel_.cancel(*this); }
    void on_timer() override { fired.push_back(clock_.now()); }
    std::vector<SteadyTime> fired;

  private:
    TimerWheel& wheel_;
    const ManualClock& clock_;
};

TEST(TimerWheel, FiresOnceNeverEarlyAndAtMostOneTickLate) {
    ManualClock clock;
    TimerWheel wheel(clock.now());
    SeededRandom random(7);
    std::vector<std::unique_ptr<Recorder>> timers;
    std::map<Recorder*, SteadyTime> deadlines;
    for (int i = 0; i < 500; ++i) {
        timers.push_back(std::make_unique<Recorder>(wheel, clock));
        // Up to 30 s: six times round the wheel.
        const SteadyTime deadline = clock.now() + milliseconds(random.next_u64() % 30'000);
        wheel.schedule(*timers.back(), deadline);
        deadlines[timers.back().get()] = deadline;
    }
    for (int step = 0; step < 31'000; ++step) {
        clock.advance(milliseconds(1));
        wheel.advance(clock.now());
    }
    for (const auto& timer : timers) {
        ASSERT_EQ(timer->fired.size(), 1U);
        EXPECT_GE(timer->fired[0], deadlines[timer.get()]);
        EXPECT_LE(timer->fired[0], deadlines[timer.get()] + TimerWheel::kTick + milliseconds(1));
    }
    EXPECT_EQ(wheel.next_look(), SteadyTime::max());
}

TEST(TimerWheel, ADeadlineMovesBothWaysAndIsForgottenWhenCancelled) {
    ManualClock clock;
    TimerWheel wheel(clock.now());
    Recorder later(wheel, clock);
    Recorder sooner(wheel, clock);
    Recorder never(wheel, clock);
    wheel.schedule(later, clock.now() + milliseconds(100));
    wheel.schedule(later, clock.now() + seconds(10));
    wheel.schedule(sooner, clock.now() + seconds(10));
    wheel.schedule(sooner, clock.now() + milliseconds(100));
    wheel.schedule(never, clock.now() + milliseconds(100));
    wheel.schedule(never, SteadyTime::max());
    clock.advance(milliseconds(200));
    wheel.advance(clock.now());
    EXPECT_EQ(later.fired.size(), 0U);
    EXPECT_EQ(sooner.fired.size(), 1U);
    wheel.cancel(later);
    clock.advance(seconds(60));
    wheel.advance(clock.now());
    EXPECT_EQ(later.fired.size() + never.fired.size(), 0U);
}

TEST(TimerWheel, AClockThatJumpsADayFiresEverythingOnce) {
    ManualClock clock;
    TimerWheel wheel(clock.now());
    std::array<std::unique_ptr<Recorder>, 50> timers;
    for (std::size_t i = 0; i < timers.size(); ++i) {
        timers[i] = std::make_unique<Recorder>(wheel, clock);
        wheel.schedule(*timers[i], clock.now() + seconds(static_cast<int>(i)));
    }
    clock.advance(std::chrono::hours(24));
    wheel.advance(clock.now());
    for (const auto& timer : timers) EXPECT_EQ(timer->fired.size(), 1U);
}

TEST(EventLoop, TasksFromManyThreadsAllRunOnTheLoopInTheOrderOfEach) {
    SystemClock clock;
    auto loop = EventLoop::create(clock).value();
    constexpr int kThreads = 4;
    constexpr int kTasks = 5000;
    std::array<int, kThreads> next{};
    int done = 0;
    std::thread runner([&] { loop->run(); });
    std::vector<std::thread> posters;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
        posters.emplace_back([&, thread] {
            for (int i = 0; i < kTasks; ++i) {
                loop->mailbox()->post([&, thread, i] {
                    EXPECT_EQ(next[thread]++, i);
                    EXPECT_TRUE(loop->mailbox()->on_loop_thread());
                    if (++done == kThreads * kTasks) loop->stop();
                });
            }
        });
    }
    for (std::thread& poster : posters) poster.join();
    runner.join();
    EXPECT_EQ(done, kThreads * kTasks);
}

TEST(EventLoop, AClosedMailboxRefusesAndDestroysTasks) {
    SystemClock clock;
    auto loop = EventLoop::create(clock).value();
    const std::shared_ptr<Mailbox> mailbox = loop->mailbox();
    auto token = std::make_shared<int>(1);
    mailbox->post([token] {});
    loop.reset();
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_FALSE(mailbox->post([token] {}));
    EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoop, HandlersHearOfTheirDescriptorUntilRemoved) {
    SystemClock clock;
    auto loop = EventLoop::create(clock).value();
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    struct Reader final : EventLoop::Handler {
        void on_event(std::uint32_t events) override { seen.push_back(events); }
        std::vector<std::uint32_t> seen;
    } reader;
    ASSERT_TRUE(loop->add(pipe[0], reader, EPOLLIN));
    loop->turn(Duration::zero());
    EXPECT_TRUE(reader.seen.empty());
    ASSERT_EQ(::write(pipe[1], "x", 1), 1);
    loop->turn(seconds(5));
    EXPECT_EQ(reader.seen, std::vector<std::uint32_t>{EPOLLIN});
    loop->remove(pipe[0]);
    loop->turn(Duration::zero());
    EXPECT_EQ(reader.seen.size(), 1U);
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST(EventLoop, ADeferredTaskRunsOnceAtTheEndOfTheTurnAfterTheHook) {
    SystemClock clock;
    auto loop = EventLoop::create(clock).value();
    std::vector<int> order;
    struct Task final : EventLoop::Deferred {
        void on_end_of_turn() override { run(); }
        std::function<void()> run;
    } first, second, never;
    first.run = [&] {
        order.push_back(1);
        loop->undefer(never);
        loop->defer(second);
    };
    second.run = [&] { order.push_back(2); };
    never.run = [&] { order.push_back(9); };
    loop->set_end_of_turn([&] { order.push_back(0); });
    loop->defer(first);
    loop->defer(first);
    loop->defer(never);
    // Neither turn sleeps although both may: something waits for their end.
    loop->turn(seconds(5));
    EXPECT_EQ(order, (std::vector<int>{0, 1}));
    loop->turn(seconds(5));
    EXPECT_EQ(order, (std::vector<int>{0, 1, 0, 2}));
    loop->defer(second);
    loop->undefer(second);
    loop->turn(Duration::zero());
    EXPECT_EQ(order, (std::vector<int>{0, 1, 0, 2, 0}));
}

class Bell final : public EventLoop::Alarm {
  public:
    explicit Bell(EventLoop& loop) : loop_(loop) {}
    ~Bell() override { loop_.set_alarm(*this, SteadyTime::max()); }
    void on_alarm() override {
        ++rung;
        if (again != SteadyTime::max()) loop_.set_alarm(*this, again);
    }
    int rung = 0;
    SteadyTime again = SteadyTime::max();

  private:
    EventLoop& loop_;
};

TEST(EventLoopAlarm, RingsOnceNeverEarlyAndInTheFirstTurnAfterItsTime) {
    ManualClock clock;
    const auto loop = EventLoop::create(clock);
    ASSERT_TRUE(loop);
    Bell bell(**loop);
    Bell moved(**loop);
    Bell never(**loop);
    const SteadyTime start = clock.now();
    (*loop)->set_alarm(bell, start + milliseconds(3));
    (*loop)->set_alarm(moved, start + milliseconds(3));
    (*loop)->set_alarm(moved, start + milliseconds(5));
    (*loop)->set_alarm(never, start + milliseconds(3));
    (*loop)->set_alarm(never, SteadyTime::max());
    for (int ms = 1; ms <= 10; ++ms) {
        clock.advance(milliseconds(1));
        (*loop)->turn(Duration::zero());
        EXPECT_EQ(bell.rung, ms >= 3 ? 1 : 0) << ms;
        EXPECT_EQ(moved.rung, ms >= 5 ? 1 : 0) << ms;
    }
    EXPECT_EQ(never.rung, 0);
}

TEST(EventLoopAlarm, OneSetAnewToAPassedTimeRingsOnceATurn) {
    ManualClock clock;
    const auto loop = EventLoop::create(clock);
    ASSERT_TRUE(loop);
    Bell bell(**loop);
    bell.again = clock.now();
    (*loop)->set_alarm(bell, clock.now());
    for (int turn = 1; turn <= 3; ++turn) {
        (*loop)->turn(seconds(1));
        EXPECT_EQ(bell.rung, turn);
    }
    bell.again = SteadyTime::max();
}

TEST(EventLoopAlarm, TheLoopSleepsNoLongerThanToTheAlarm) {
    const SystemClock clock;
    const auto loop = EventLoop::create(clock);
    ASSERT_TRUE(loop);
    Bell bell(**loop);
    const SteadyTime due = clock.now() + milliseconds(30);
    (*loop)->set_alarm(bell, due);
    while (bell.rung == 0) (*loop)->turn(seconds(60));
    EXPECT_GE((*loop)->now(), due);
    // Far below the minute that a turn may sleep; wide, as the machine may be busy.
    EXPECT_LT((*loop)->now(), due + seconds(50));
}

}  // namespace
}  // namespace tidegate::runtime
