#include "pipeline/upstream/admission.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/strings.h"

namespace tidegate::upstream {
namespace {

// One of so many places goes to batch while both wait.
constexpr std::uint32_t kInteractiveInRow = 7;
// Weight of a new measurement of how long a permit is held: the last 20 or so count.
constexpr double kHeldShare = 0.05;
constexpr Duration kRetryMin = std::chrono::seconds(1);
constexpr Duration kRetryMax = std::chrono::seconds(60);

GradientOptions gradient_options(const AdmissionOptions& options) {
    GradientOptions gradient;
    gradient.limit_min = std::min(options.concurrency_min, options.concurrency_max);
    gradient.limit_max = options.concurrency_max;
    gradient.limit_start = gradient.limit_min;
    return gradient;
}

constexpr std::size_t at(Priority priority) noexcept {
    return static_cast<std::size_t>(priority);
}

}  // namespace

struct Admission::Waiter {
    WaiterId id = 0;
    SteadyTime since{};
    SteadyTime until{};
    std::shared_ptr<runtime::Mailbox> mailbox;
    std::move_only_function<void(Admitted, SteadyTime)> told;
};

struct Admission::Told {
    Waiter waiter;
    Admitted answer;
    SteadyTime now{};
};

std::optional<Priority> parse_priority(std::string_view text) noexcept {
    if (iequals(text, "interactive")) return Priority::kInteractive;
    if (iequals(text, "batch")) return Priority::kBatch;
    return std::nullopt;
}

std::string_view to_string(Priority priority) noexcept {
    return priority == Priority::kInteractive ? "interactive" : "batch";
}

std::string_view to_string(Shed::Why why) noexcept {
    static constexpr std::array<std::string_view, kShedWhys> kNames{"full", "deadline", "standing", "expired",
                                                                    "made_room"};
    return kNames[static_cast<std::size_t>(why)];
}

Permit::Permit(Permit&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), since_(other.since_), in_flight_(other.in_flight_) {}

Permit& Permit::operator=(Permit&& other) noexcept {
    if (this == &other) return *this;
    if (owner_ != nullptr) owner_->release(std::nullopt, false, since_, in_flight_, std::nullopt);
    owner_ = std::exchange(other.owner_, nullptr);
    since_ = other.since_;
    in_flight_ = other.in_flight_;
    return *this;
}

Permit::~Permit() {
    if (owner_ != nullptr) owner_->release(std::nullopt, false, since_, in_flight_, std::nullopt);
}

void Permit::end(std::optional<Duration> first_byte, bool overloaded, SteadyTime now) {
    TG_ASSERT(owner_ != nullptr);
    std::exchange(owner_, nullptr)->release(first_byte, overloaded, since_, in_flight_, now);
}

Admission::Admission(const AdmissionOptions& options)
    : options_(options),
      codels_{Codel(options.wait_target, options.wait_interval), Codel(options.wait_target, options.wait_interval)} {
    if (options.adaptive) gradient_.emplace(gradient_options(options));
}

Admission::~Admission() {
    const Lock lock(mutex_);
    TG_ASSERT(in_flight_ == 0);
}

std::uint32_t Admission::limit() const {
    return gradient_ ? gradient_->limit() : options_.concurrency_max;
}

std::size_t Admission::waiting() const {
    return queues_[0].size() + queues_[1].size();
}

// Permits come back one each held / limit on average; whoever has `ahead` before it needs ahead + 1 of them.
Duration Admission::expected_wait(std::size_t ahead) const {
    return Duration(static_cast<Duration::rep>(held_ns_ * static_cast<double>(ahead + 1) / limit()));
}

Shed Admission::shed(Shed::Why why) {
    ++shed_[static_cast<std::size_t>(why)];
    return {why, std::clamp(expected_wait(waiting()), kRetryMin, kRetryMax)};
}

Permit Admission::grant(SteadyTime now) {
    ++in_flight_;
    ++admitted_;
    return Permit(*this, now, in_flight_);
}

Admission::Answer Admission::ask(Ask ask, SteadyTime now) {
    Tellings tellings;
    Answer answer = Shed{};
    {
        const Lock lock(mutex_);
        seen_ = std::max(seen_, now);
        grant_next(now, tellings);
        const std::size_t own = at(ask.priority);
        const std::size_t ahead = ask.priority == Priority::kInteractive ? queues_[own].size() : waiting();
        if (waiting() == 0 && in_flight_ < limit()) {
            answer = grant(now);
        } else if (const Duration wait = expected_wait(ahead);
                   ask.deadline <= now || ask.deadline - now <= wait || options_.wait_max < wait) {
            answer = shed(Shed::Why::kDeadline);
        } else if (waiting() >= options_.waiting_max && !make_room(ask.priority, now, tellings)) {
            answer = shed(Shed::Why::kFull);
        } else {
            TG_ASSERT(ask.mailbox != nullptr && ask.told != nullptr);
            const WaiterId id = next_id_++;
            queues_[own].push_back({id, now, std::min(ask.deadline, now + options_.wait_max), std::move(ask.mailbox),
                                    std::move(ask.told)});
            by_id_.emplace(id, Place{own, std::prev(queues_[own].end())});
            ++queued_;
            answer = id;
        }
    }
    tell(std::move(tellings));
    return answer;
}

// The newest batch waiter has waited least.
bool Admission::make_room(Priority asking, SteadyTime now, Tellings& tellings) {
    Queue& batch = queues_[at(Priority::kBatch)];
    if (asking != Priority::kInteractive || batch.empty()) return false;
    take_out(batch, std::prev(batch.end()), shed(Shed::Why::kMadeRoom), now, tellings);
    return true;
}

void Admission::take_out(Queue& queue, Queue::iterator waiter, Admitted answer, SteadyTime now, Tellings& tellings) {
    by_id_.erase(waiter->id);
    tellings.push_back({std::move(*waiter), std::move(answer), now});
    queue.erase(waiter);
}

bool Admission::cancel(WaiterId id) {
    const Lock lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    queues_[found->second.queue].erase(found->second.waiter);
    by_id_.erase(found);
    return true;
}

std::size_t Admission::next_queue() {
    constexpr std::size_t kInteractive = at(Priority::kInteractive);
    constexpr std::size_t kBatch = at(Priority::kBatch);
    if (queues_[kBatch].empty()) return kInteractive;
    if (queues_[kInteractive].empty() || in_a_row_ >= kInteractiveInRow) {
        in_a_row_ = 0;
        return kBatch;
    }
    ++in_a_row_;
    return kInteractive;
}

void Admission::grant_next(SteadyTime now, Tellings& tellings) {
    while (in_flight_ < limit() && waiting() > 0) {
        const std::size_t index = next_queue();
        Queue& queue = queues_[index];
        Codel& codel = codels_[index];
        // With one alone there is no queue to shed from (RFC 8289 spares the last packet too).
        while (!queue.empty()) {
            const auto oldest = queue.begin();
            if (now >= oldest->until) {
                take_out(queue, oldest, shed(Shed::Why::kExpired), now, tellings);
            } else if (queue.size() > 1 && codel.should_shed(now - oldest->since, now)) {
                take_out(queue, oldest, shed(Shed::Why::kStanding), now, tellings);
            } else {
                const bool newest = options_.newest_first && codel.is_standing(now);
                const auto chosen = newest ? std::prev(queue.end()) : oldest;
                Admitted answer = now < chosen->until ? Admitted(grant(now)) : Admitted(shed(Shed::Why::kExpired));
                take_out(queue, chosen, std::move(answer), now, tellings);
                break;
            }
        }
        if (queue.empty()) codel.emptied();
    }
}

SteadyTime Admission::tick(SteadyTime now) {
    Tellings tellings;
    SteadyTime soonest = SteadyTime::max();
    {
        const Lock lock(mutex_);
        seen_ = std::max(seen_, now);
        for (Queue& queue : queues_) {
            for (auto waiter = queue.begin(); waiter != queue.end();) {
                const auto current = waiter++;
                if (now >= current->until) take_out(queue, current, shed(Shed::Why::kExpired), now, tellings);
            }
        }
        grant_next(now, tellings);
        for (const Queue& queue : queues_) {
            for (const Waiter& waiter : queue) soonest = std::min(soonest, waiter.until);
        }
    }
    tell(std::move(tellings));
    return soonest;
}

void Admission::release(std::optional<Duration> first_byte, bool overloaded, SteadyTime since, std::uint32_t in_flight,
                        std::optional<SteadyTime> now) {
    Tellings tellings;
    {
        const Lock lock(mutex_);
        --in_flight_;
        if (now) {
            seen_ = std::max(seen_, *now);
            measure(first_byte, overloaded, *now - since, in_flight, *now);
        }
        grant_next(seen_, tellings);
    }
    tell(std::move(tellings));
}

void Admission::measure(std::optional<Duration> first_byte, bool overloaded, Duration held, std::uint32_t in_flight,
                        SteadyTime now) {
    ++held_count_;
    const double share = std::max(kHeldShare, 1.0 / static_cast<double>(held_count_));
    held_ns_ += (static_cast<double>(std::max(held, Duration(0)).count()) - held_ns_) * share;
    if (!gradient_) return;
    if (overloaded) {
        gradient_->dropped(now);
    } else if (first_byte) {
        gradient_->sample(*first_byte, in_flight, now);
    }
}

// One by one rather than through the permit's destructor: a row of ended loops must not become a deep recursion.
void Admission::tell(Tellings tellings) {
    while (!tellings.empty()) {
        Tellings more;
        for (Told& one : tellings) {
            const auto mailbox = std::move(one.waiter.mailbox);
            const auto answer = std::make_shared<Admitted>(std::move(one.answer));
            const bool posted = mailbox->post([told = std::move(one.waiter.told), answer, now = one.now]() mutable {
                told(std::move(*answer), now);
            });
            Permit* const permit = posted ? nullptr : std::get_if<Permit>(answer.get());
            if (permit == nullptr) continue;
            permit->owner_ = nullptr;
            const Lock lock(mutex_);
            --in_flight_;
            grant_next(one.now, more);
        }
        tellings = std::move(more);
    }
}

AdmissionSnapshot Admission::snapshot(SteadyTime now) const {
    const Lock lock(mutex_);
    AdmissionSnapshot shot;
    shot.limit = limit();
    shot.in_flight = in_flight_;
    for (std::size_t i = 0; i < kPriorities; ++i) {
        shot.waiting[i] = static_cast<std::uint32_t>(queues_[i].size());
        shot.standing = shot.standing || codels_[i].is_standing(now);
    }
    shot.held_ms = held_ns_ / 1e6;
    const bool is_free = waiting() == 0 && in_flight_ < limit();
    shot.expected_wait_ms = is_free ? 0 : static_cast<double>(expected_wait(queues_[0].size()).count()) / 1e6;
    shot.admitted = admitted_;
    shot.queued = queued_;
    shot.shed = shed_;
    return shot;
}

}  // namespace tidegate::upstream
