#include "runtime/event_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace tidegate::runtime {
namespace {

// More than the connections that are ready together on a busy core; the rest comes with the next call.
constexpr std::size_t kEventsPerTurn = 256;
// The longest sleep: a clock that a test moves by hand is noticed this soon.
constexpr Duration kSleepMax = std::chrono::seconds(1);

Error system_error(const char* what) {
    return Error{ErrorCode::kUnavailable, std::string(what) + ": " + std::generic_category().message(errno)};
}

}  // namespace

Result<std::shared_ptr<Mailbox>> Mailbox::create() {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return std::unexpected(system_error("eventfd"));
    return std::shared_ptr<Mailbox>(new Mailbox(fd));
}

Mailbox::~Mailbox() {
    ::close(wake_fd_);
}

bool Mailbox::post(Task task) {
    bool first = false;
    {
        const Lock lock(mutex_);
        if (closed_) return false;
        first = tasks_.empty();
        tasks_.push_back(std::move(task));
    }
    // Only the post that found the box empty wakes the loop: the others ride along.
    if (first) {
        const std::uint64_t one = 1;
        // Fails only when the counter is full, and then the loop is awake anyway.
        [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
    }
    return true;
}

std::size_t Mailbox::drain() {
    {
        const Lock lock(mutex_);
        if (tasks_.empty()) return 0;
        running_.swap(tasks_);
    }
    const std::size_t count = running_.size();
    for (Task& task : running_) task();
    running_.clear();
    return count;
}

void Mailbox::close() {
    std::vector<Task> dropped;
    {
        const Lock lock(mutex_);
        closed_ = true;
        owner_.store(std::thread::id(), std::memory_order_relaxed);
        dropped.swap(tasks_);
    }
}

Result<std::unique_ptr<EventLoop>> EventLoop::create(const Clock& clock) {
    TG_TRY(auto mailbox, Mailbox::create());
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) return std::unexpected(system_error("epoll_create1"));
    std::unique_ptr<EventLoop> loop(new EventLoop(clock, fd, std::move(mailbox)));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // The mailbox is the one without a handler.
    if (::epoll_ctl(fd, EPOLL_CTL_ADD, loop->mailbox_->descriptor(), &event) != 0) {
        return std::unexpected(system_error("epoll_ctl"));
    }
    return loop;
}

EventLoop::EventLoop(const Clock& clock, int epoll_fd, std::shared_ptr<Mailbox> mailbox)
    : clock_(clock), epoll_fd_(epoll_fd), mailbox_(std::move(mailbox)), now_(clock.now()), timers_(now_) {}

EventLoop::~EventLoop() {
    mailbox_->close();
    ::close(epoll_fd_);
}

Result<void> EventLoop::add(int fd, Handler& handler, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return std::unexpected(system_error("epoll_ctl"));
    return {};
}

void EventLoop::modify(int fd, Handler& handler, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    TG_ASSERT(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::remove(int fd) {
    epoll_event event{};
    TG_ASSERT(::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &event) == 0);
}

EventLoop::Deferred::~Deferred() {
    TG_ASSERT(!waiting_);
}

void EventLoop::defer(Deferred& task) {
    if (task.waiting_) return;
    task.waiting_ = true;
    deferred_.push_back(&task);
}

void EventLoop::undefer(Deferred& task) noexcept {
    if (!task.waiting_) return;
    task.waiting_ = false;
    std::erase(deferred_, &task);
    std::ranges::replace(deferred_now_, &task, nullptr);
}

void EventLoop::run_deferred() {
    deferred_now_.swap(deferred_);
    for (std::size_t i = 0; i < deferred_now_.size(); ++i) {
        Deferred* task = deferred_now_[i];
        if (task == nullptr) continue;
        deferred_now_[i] = nullptr;
        task->waiting_ = false;
        task->on_end_of_turn();
    }
    deferred_now_.clear();
}

EventLoop::Alarm::~Alarm() {
    TG_ASSERT(due_ == SteadyTime::max());
}

void EventLoop::set_alarm(Alarm& alarm, SteadyTime due) {
    const bool was_set = alarm.due_ != SteadyTime::max();
    alarm.due_ = due;
    if (due == SteadyTime::max()) {
        std::erase(alarms_, &alarm);
    } else if (!was_set) {
        alarms_.push_back(&alarm);
    }
}

void EventLoop::ring_alarms() {
    // One that is set anew to a time that has passed rings in the next turn.
    std::size_t left = alarms_.size();
    for (std::size_t i = 0; left > 0 && i < alarms_.size(); --left) {
        Alarm* alarm = alarms_[i];
        if (alarm->due_ > now_) {
            ++i;
            continue;
        }
        set_alarm(*alarm, SteadyTime::max());
        alarm->on_alarm();
    }
}

int EventLoop::wait_ms(Duration wait_max) const noexcept {
    if (!deferred_.empty()) return 0;
    Duration wait = std::min(wait_max, kSleepMax);
    if (timers_.next_look() != SteadyTime::max()) wait = std::min(wait, timers_.next_look() - now_);
    for (const Alarm* alarm : alarms_) wait = std::min(wait, alarm->due_ - now_);
    if (wait <= Duration::zero()) return 0;
    // Rounded up: waking a little late is better than turning without work.
    return static_cast<int>((wait + std::chrono::milliseconds(1) - Duration(1)) / std::chrono::milliseconds(1));
}

void EventLoop::turn(Duration wait_max) {
    std::array<epoll_event, kEventsPerTurn> events;
    const int count = ::epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), wait_ms(wait_max));
    TG_ASSERT(count >= 0 || errno == EINTR);
    now_ = clock_.now();
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr != nullptr) {
            static_cast<Handler*>(event.data.ptr)->on_event(event.events);
            continue;
        }
        std::uint64_t wakes = 0;
        [[maybe_unused]] const auto got = ::read(mailbox_->descriptor(), &wakes, sizeof wakes);
        mailbox_->drain();
    }
    timers_.advance(now_);
    if (!alarms_.empty()) ring_alarms();
    if (end_of_turn_) end_of_turn_();
    if (!deferred_.empty()) run_deferred();
}

void EventLoop::run() {
    mailbox_->adopt();
    while (!stopping_.load(std::memory_order_acquire)) turn(kSleepMax);
}

void EventLoop::stop() noexcept {
    stopping_.store(true, std::memory_order_release);
    mailbox_->post([] {});
}

}  // namespace tidegate::runtime
