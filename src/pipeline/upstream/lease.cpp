#include <utility>

#include "base/assert.h"
#include "pipeline/upstream/pool_target.h"

namespace tidegate::upstream {

Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      target_(other.target_),
      ticket_(other.ticket_),
      reported_(other.reported_) {}

Lease& Lease::operator=(Lease&& other) noexcept {
    if (this == &other) return *this;
    if (pool_ != nullptr) end(Outcome::kClientGone, std::nullopt, SteadyTime{});
    pool_ = std::exchange(other.pool_, nullptr);
    target_ = other.target_;
    ticket_ = other.ticket_;
    reported_ = other.reported_;
    return *this;
}

Lease::~Lease() {
    // A neutral outcome needs no time.
    if (pool_ != nullptr) end(Outcome::kClientGone, std::nullopt, SteadyTime{});
}

const http::Origin& Lease::origin() const noexcept {
    return pool_->target(target_).origin;
}

const std::string& Lease::name() const noexcept {
    return pool_->target(target_).name;
}

void Lease::report(Outcome outcome, std::optional<Duration> first_byte, SteadyTime now) {
    TG_ASSERT(pool_ != nullptr);
    if (reported_) return;
    reported_ = outcome;
    pool_->judge(target_, ticket_, outcome, first_byte, now);
}

void Lease::end(Outcome outcome, std::optional<Duration> first_byte, SteadyTime now) {
    TG_ASSERT(pool_ != nullptr);
    if (!reported_) {
        report(outcome, first_byte, now);
    } else if (is_failure(outcome) && !is_failure(*reported_)) {
        pool_->judge(target_, ticket_, outcome, std::nullopt, now);
    }
    std::exchange(pool_, nullptr)->release(target_);
}

}  // namespace tidegate::upstream
