// LoopDriver: an event loop turned by the test's own thread until something has happened.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "base/clock.h"
#include "runtime/event_loop.h"

namespace tidegate::testing {

class LoopDriver {
  public:
    LoopDriver() : loop_(runtime::EventLoop::create(clock_).value()) {}

    runtime::EventLoop& loop() noexcept { return *loop_; }
    const Clock& clock() const noexcept { return clock_; }
    /// Turns until `happened()`; false when it has not within `limit`.
    template <class Happened>
    [[nodiscard]] bool until(Happened happened, Duration limit = std::chrono::seconds(60)) {
        const SteadyTime deadline = clock_.now() + limit;
        while (!happened()) {
            if (clock_.now() > deadline) return false;
            loop_->turn(std::chrono::milliseconds(20));
        }
        return true;
    }
    /// Turns for so long.
    void turn_for(Duration time) {
        const SteadyTime end = clock_.now() + time;
        do {
            loop_->turn(std::chrono::milliseconds(5));
        } while (clock_.now() < end);
    }

  private:
    SystemClock clock_;
    std::unique_ptr<runtime::EventLoop> loop_;
};

}  // namespace tidegate::testing
