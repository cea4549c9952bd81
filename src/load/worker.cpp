#include "load/worker.h"

#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace tidegate::load {
namespace {

constexpr std::size_t kScratchBytes = 64 * 1024;
// Time-outs, parked users and broken connections are looked at this often.
constexpr Duration kTick = std::chrono::milliseconds(10);
// After a connection that failed, so that a server that is down is not asked 100,000 times a second.
constexpr Duration kRetryAfter = std::chrono::milliseconds(100);
// What is under way has so long when the run is interrupted.
constexpr Duration kCutAfter = std::chrono::seconds(1);

SteadyTime now_steady() noexcept {
    return SystemClock().now();
}

Duration of_seconds(double seconds) noexcept {
    return Duration(static_cast<std::int64_t>(seconds * 1e9));
}

/// This thread's connections: users, or its share of the connections.
std::size_t slots_of(const Plan& plan, unsigned index) {
    const double most = plan.loop == Loop::kClosed ? plan.shape().level_max() : plan.connections;
    const auto all = static_cast<std::size_t>(most + 0.5);
    return all / plan.threads + (index < all % plan.threads ? 1 : 0);
}

double thread_cpu_s() noexcept {
    rusage spent{};
    ::getrusage(RUSAGE_THREAD, &spent);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(spent.ru_utime) + seconds(spent.ru_stime);
}

}  // namespace

Worker::Worker(Shared& shared, unsigned index, Progress& progress)
    : shared_(shared),
      index_(index),
      progress_(progress),
      tally_(shared.mix.operations().size(), shared.interval_s),
      draw_(shared.mix, index, shared.plan.threads),
      dice_(derive_seed(shared.plan.seed ^ 0x5bd1e995U, index)),
      shape_(shared.plan.loop == Loop::kOpen ? shared.plan.shape().scaled(1.0 / shared.plan.threads)
                                             : shared.plan.shape()),
      slots_(slots_of(shared.plan, index)),
      scratch_(kScratchBytes) {}

Worker::~Worker() {
    if (epoll_ >= 0) ::close(epoll_);
}

Result<void> Worker::prepare() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return fail(ErrorCode::kUnavailable, "no epoll set");
    TG_TRY(tls_, shared_.place.tls());
    return {};
}

void Worker::run() {
    // Arrivals are due to the microsecond; the kernel would add 50 us to each wait.
    ::prctl(PR_SET_TIMERSLACK, 1000UL);
    measure_from_ = shared_.start + of_seconds(shared_.plan.lead_s());
    end_ = shared_.start + of_seconds(shape_.seconds());
    const bool is_open = shared_.plan.loop == Loop::kOpen;
    if (is_open) {
        // Threads share a constant rate in turn, not all at once.
        arrivals_ = shared_.plan.arrivals == Arrivals::kConstant ? (index_ + 0.5) / shared_.plan.threads - 1 : 0;
        next_arrival();
    }
    const SteadyTime begun = now_steady();
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        if (is_open) {
            open(i, begun);
        } else {
            slots_[i].waiting = true;
        }
    }
    while (!over(now_steady())) turn();
    finish();
    tally_.series.close();
    tally_.cpu_s = thread_cpu_s();
    for (Slot& slot : slots_) tally_.window_bytes += slot.wire.bytes_in();
}

void Worker::turn() {
    SteadyTime now = now_steady();
    if (now >= next_tick_) tick(now);
    if (!thinkers_.empty() && thinkers_.top().first <= now) end_thoughts(now);
    if (due_ <= now) send_due(now);
    const Duration wait = wait_for(now);
    const timespec time{.tv_sec = wait.count() / 1'000'000'000, .tv_nsec = wait.count() % 1'000'000'000};
    std::array<epoll_event, 256> events;
    int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &time, nullptr);
    if (count < 0 && errno == ENOSYS) {
        count = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(wait.count() / 1'000'000));
    }
    for (int i = 0; i < count; ++i) {
        handle(static_cast<std::uint32_t>(events[static_cast<std::size_t>(i)].data.u64),
               events[static_cast<std::size_t>(i)].events);
    }
}

Duration Worker::wait_for(SteadyTime now) const noexcept {
    SteadyTime until = next_tick_;
    if (!free_.empty()) until = std::min(until, due_);
    if (!thinkers_.empty()) until = std::min(until, thinkers_.top().first);
    return std::clamp(until - now, Duration::zero(), kTick);
}

void Worker::handle(std::uint32_t slot, std::uint32_t events) {
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    settle(slot, slots_[slot].wire.on_event(ended, scratch_));
}

void Worker::settle(std::uint32_t index, Wire::Event event) {
    Slot& slot = slots_[index];
    if (event == Wire::Event::kNothing) return;
    const SteadyTime now = now_steady();
    switch (event) {
        case Wire::Event::kNothing:
            return;
        case Wire::Event::kReady:
            ++tally_.connects;
            break;
        case Wire::Event::kAnswered:
            --busy_;
            count_answer(slot, now);
            break;
        case Wire::Event::kFailed:
            if (slot.from != SteadyTime{}) {
                --busy_;
                count_fault(slot, slot.wire.fault(), now);
            } else {
                count_no_connection(index, now);
            }
            slot.retry = now + kRetryAfter;
            break;
        case Wire::Event::kEnded:
            ++tally_.reconnects;
            std::erase(free_, index);
            break;
    }
    slot.from = {};
    on_free(index, now);
}

/// The slot has nothing under way: the next thing for it.
void Worker::on_free(std::uint32_t index, SteadyTime now) {
    Slot& slot = slots_[index];
    const bool is_closed = slot.wire.state() == Wire::State::kClosed;
    if (over(now)) return;
    if (shared_.plan.loop == Loop::kOpen) {
        if (is_closed) {
            slot.waiting = true;
            if (now >= slot.retry) open(index, now);
            return;
        }
        free_.push_back(index);
        if (due_ <= now) send_due(now);
        return;
    }
    if (is_closed || !active(index, now)) {
        slot.waiting = true;
        if (is_closed && now >= slot.retry && active(index, now)) open(index, now);
        return;
    }
    if (slot.thinking) return;
    if (shared_.plan.think_s > 0) {
        slot.thinking = true;
        thinkers_.emplace(now + of_seconds(shared_.plan.think_s * dice_.exponential()), index);
        return;
    }
    send(index, now, now);
}

bool Worker::active(std::size_t slot, SteadyTime now) const noexcept {
    const double user = static_cast<double>(slot) * shared_.plan.threads + index_;
    return user < shape_.level(second(now));
}

void Worker::open(std::uint32_t index, SteadyTime now) {
    Slot& slot = slots_[index];
    slot.waiting = false;
    slot.from = {};
    if (slot.wire.open(shared_.place, tls_.get(), epoll_, index) != Wire::Event::kFailed) return;
    slot.waiting = true;
    slot.retry = now + kRetryAfter;
    count_no_connection(index, now);
}

/// There is no connection for a request to come. Closed loop: a user's request that fails. Open loop: the arrival waits, and its
/// latency grows.
void Worker::count_no_connection(std::uint32_t index, SteadyTime now) {
    ++tally_.connect_failures;
    std::erase(free_, index);
    if (shared_.plan.loop == Loop::kOpen || now < measure_from_ || over(now)) return;
    Slot& slot = slots_[index];
    slot.measured = true;
    count_fault(slot, slot.wire.fault(), now);
}

bool Worker::send(std::uint32_t index, SteadyTime due, SteadyTime now) {
    Slot& slot = slots_[index];
    slot.measured = due >= measure_from_;
    if (slot.measured && shared_.plan.requests > 0 &&
        shared_.begun.fetch_add(1, std::memory_order_relaxed) >= shared_.plan.requests) {
        shared_.stop.store(true, std::memory_order_relaxed);
        stopping_ = true;
        return false;
    }
    const Draw::One one = draw_.next();
    slot.operation = one.operation;
    slot.waiting = false;
    slot.from = due;
    if (slot.measured) {
        ++tally_.operations[one.operation].sent;
        tally_.operations[one.operation].repeats += one.repeat ? 1 : 0;
    } else {
        ++tally_.warm_up;
    }
    ++busy_;
    const Wire::Event event = slot.wire.send(draw_.bytes(one));
    if (event == Wire::Event::kFailed) {
        --busy_;
        count_fault(slot, slot.wire.fault(), now);
        slot.from = {};
        slot.retry = now + kRetryAfter;
        slot.waiting = true;
    }
    return true;
}

void Worker::next_arrival() {
    arrivals_ += shared_.plan.arrivals == Arrivals::kPoisson ? dice_.exponential() : 1;
    const auto at = shape_.arrival(arrivals_);
    due_ = at ? shared_.start + of_seconds(*at) : SteadyTime::max();
    waited_ = false;
}

void Worker::send_due(SteadyTime now) {
    while (due_ <= now && due_ < end_ && !stopping_) {
        if (free_.empty()) {
            waited_ = true;
            return;
        }
        const std::uint32_t index = free_.back();
        free_.pop_back();
        if (!waited_ && due_ >= measure_from_) tally_.late.record(now - due_);
        if (!send(index, due_, now)) return;
        next_arrival();
        now = now_steady();
    }
}

void Worker::tick(SteadyTime now) {
    next_tick_ = now + kTick;
    if (shared_.stop.load(std::memory_order_relaxed)) stopping_ = true;
    expire(now);
    progress_.level.store(busy_, std::memory_order_relaxed);
    if (over(now)) return;
    wake_users(now);
}

/// Requests whose time is over; their connections cannot be used again.
void Worker::expire(SteadyTime now) {
    const SteadyTime oldest = now - of_seconds(shared_.plan.timeout_s);
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.wire.state() != Wire::State::kBusy || slot.from > oldest) continue;
        slot.wire.close();
        --busy_;
        count_fault(slot, Fault::kTimeout, now);
        slot.from = {};
        on_free(i, now);
    }
}

/// Pauses that are over.
void Worker::end_thoughts(SteadyTime now) {
    while (!thinkers_.empty() && thinkers_.top().first <= now) {
        const std::uint32_t index = thinkers_.top().second;
        thinkers_.pop();
        Slot& slot = slots_[index];
        slot.thinking = false;
        if (!over(now) && slot.wire.state() == Wire::State::kIdle && active(index, now)) {
            send(index, now, now);
        } else {
            slot.waiting = true;
        }
    }
}

/// Users who may ask now, and connections to be had again.
void Worker::wake_users(SteadyTime now) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (!slot.waiting || slot.thinking || stopping_) continue;
        const bool is_open = shared_.plan.loop == Loop::kOpen;
        if (!is_open && !active(i, now)) continue;
        if (slot.wire.state() == Wire::State::kClosed) {
            if (now >= slot.retry) open(i, now);
        } else if (slot.wire.state() == Wire::State::kIdle && !is_open) {
            send(i, now, now);
        }
    }
}

/// No more requests; what is under way has its time, less when the run was interrupted.
void Worker::finish() {
    const bool interrupted = shared_.interrupted.load(std::memory_order_relaxed);
    const SteadyTime began = now_steady();
    if (due_ <= began) send_due(began);
    if (!stopping_) count_unsent();
    due_ = SteadyTime::max();
    const SteadyTime last = began + (interrupted ? kCutAfter : of_seconds(shared_.plan.timeout_s) + 2 * kTick);
    end_ = std::min(end_, began);
    while (busy_ > 0 && now_steady() < last) turn();
    for (const Slot& slot : slots_) {
        if (slot.wire.state() == Wire::State::kBusy && slot.measured) ++tally_.cut_off;
    }
    progress_.level.store(0, std::memory_order_relaxed);
}

/// Arrivals that were due and found no connection until the end: asked by nobody, and an error all the same.
void Worker::count_unsent() {
    if (shared_.plan.loop != Loop::kOpen) return;
    while (due_ < end_) {
        const Draw::One one = draw_.next();
        if (due_ >= measure_from_) {
            OperationTally& operation = tally_.operations[one.operation];
            ++operation.sent;
            ++operation.faults[static_cast<std::size_t>(Fault::kNotSent)];
            operation.ok.record(end_ - due_);
            tally_.series.add(second(end_) - shared_.plan.lead_s(), false, end_ - due_, true);
        }
        next_arrival();
    }
}

void Worker::count_answer(Slot& slot, SteadyTime now) {
    const Duration latency = now - slot.from;
    const int status = slot.wire.status();
    const bool good = status < 400;
    if (good && now >= measure_from_ && now < end_) ++tally_.in_window;
    progress_.answers.fetch_add(1, std::memory_order_relaxed);
    progress_.latency_ns.fetch_add(static_cast<std::uint64_t>(latency.count()), std::memory_order_relaxed);
    if (!good) progress_.errors.fetch_add(1, std::memory_order_relaxed);
    if (!slot.measured) return;
    OperationTally& operation = tally_.operations[slot.operation];
    ++operation.statuses[status];
    operation.good += good ? 1 : 0;
    (good ? operation.ok : operation.refused).record(latency);
    tally_.series.add(std::min(second(now), shape_.seconds() - 1e-6) - shared_.plan.lead_s(), good, latency, good);
}

void Worker::count_fault(Slot& slot, Fault fault, SteadyTime now) {
    progress_.errors.fetch_add(1, std::memory_order_relaxed);
    if (!slot.measured) return;
    OperationTally& operation = tally_.operations[slot.operation];
    // A connection that could not be had: the request was never begun, and was wanted all the same.
    if (slot.from == SteadyTime{}) ++operation.sent;
    ++operation.faults[static_cast<std::size_t>(fault)];
    const bool timed = fault == Fault::kTimeout;
    const Duration waited = timed ? now - slot.from : Duration::zero();
    if (timed) operation.ok.record(waited);
    tally_.series.add(std::min(second(now), shape_.seconds() - 1e-6) - shared_.plan.lead_s(), false, waited, timed);
    slot.measured = false;
}

}  // namespace tidegate::load
