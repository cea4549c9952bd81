#include "runtime/timer_wheel.h"

#include <algorithm>

#include "base/assert.h"

namespace tidegate::runtime {

Timer::~Timer() {
    TG_ASSERT(next_ == nullptr || next_ == this);
}

TimerWheel::TimerWheel(SteadyTime now) : origin_(now) {
    for (Timer& anchor : slots_) anchor.previous_ = anchor.next_ = &anchor;
}

TimerWheel::~TimerWheel() {
    for (Timer& anchor : slots_) {
        while (anchor.next_ != &anchor) unlink(*anchor.next_);
    }
}

void TimerWheel::link(Timer& anchor, Timer& timer) noexcept {
    TG_ASSERT(anchor.previous_ != nullptr);
    timer.previous_ = anchor.previous_;
    timer.next_ = &anchor;
    anchor.previous_->next_ = &timer;
    anchor.previous_ = &timer;
}

void TimerWheel::unlink(Timer& timer) noexcept {
    TG_ASSERT(timer.previous_ != nullptr && timer.next_ != nullptr);
    timer.previous_->next_ = timer.next_;
    timer.next_->previous_ = timer.previous_;
    timer.previous_ = timer.next_ = nullptr;
}

std::int64_t TimerWheel::tick_of(SteadyTime time) const noexcept {
    return (time - origin_) / kTick;
}

void TimerWheel::place(Timer& timer) {
    const std::int64_t last = ticks_done_ + static_cast<std::int64_t>(kSlots) - 1;
    std::int64_t tick = last;
    // The slot after the deadline, so that it has passed when the slot is run.
    if (timer.deadline_ < origin_ + (last - 1) * kTick) tick = tick_of(timer.deadline_) + 1;
    tick = std::max(tick, ticks_done_ + 1);
    timer.looked_at_ = origin_ + tick * kTick;
    next_look_ = std::min(next_look_, timer.looked_at_);
    link(slots_[static_cast<std::size_t>(tick) % kSlots], timer);
}

void TimerWheel::schedule(Timer& timer, SteadyTime deadline) {
    timer.deadline_ = deadline;
    if (timer.next_ != nullptr) {
        if (deadline >= timer.looked_at_ || timer.looked_at_ - deadline <= kTick) return;
        unlink(timer);
    } else if (deadline == SteadyTime::max()) {
        return;
    }
    place(timer);
}

void TimerWheel::cancel(Timer& timer) noexcept {
    if (timer.next_ != nullptr) unlink(timer);
}

void TimerWheel::run_slot(std::size_t slot, SteadyTime now) {
    // Moved aside first: what a callback schedules into this very slot belongs to the next round.
    Anchor due;
    due.previous_ = due.next_ = &due;
    Timer& anchor = slots_[slot];
    if (anchor.next_ == &anchor) return;
    due.next_ = anchor.next_;
    due.previous_ = anchor.previous_;
    due.next_->previous_ = &due;
    due.previous_->next_ = &due;
    anchor.previous_ = anchor.next_ = &anchor;
    while (due.next_ != &due) {
        Timer& timer = *due.next_;
        unlink(timer);
        if (timer.deadline_ <= now) {
            timer.on_timer();
        } else if (timer.deadline_ != SteadyTime::max()) {
            place(timer);
        }
    }
}

void TimerWheel::advance(SteadyTime now) {
    const std::int64_t target = tick_of(now);
    if (target <= ticks_done_) return;
    if (now < next_look_) {
        // Every slot on the way is empty.
        ticks_done_ = target;
        return;
    }
    const std::int64_t first = std::max(ticks_done_ + 1, target - static_cast<std::int64_t>(kSlots) + 1);
    next_look_ = SteadyTime::max();
    ticks_done_ = target;
    for (std::int64_t tick = first; tick <= target; ++tick) {
        run_slot(static_cast<std::size_t>(tick) % kSlots, now);
    }
    find_next_look();
}

void TimerWheel::find_next_look() {
    next_look_ = SteadyTime::max();
    for (std::int64_t tick = ticks_done_ + 1; tick <= ticks_done_ + static_cast<std::int64_t>(kSlots); ++tick) {
        const Timer& anchor = slots_[static_cast<std::size_t>(tick) % kSlots];
        if (anchor.next_ == &anchor) continue;
        next_look_ = origin_ + tick * kTick;
        return;
    }
}

}  // namespace tidegate::runtime
