#include "pipeline/limits/limiter.h"

namespace tidegate::limits {

Result<std::unique_ptr<RateLimiter>> RateLimiter::create(std::vector<LimitRule> rules, const LimiterOptions& options,
                                                         const Clock& clock, Random& random) {
    TG_TRY(RuleSet set, RuleSet::create(std::move(rules)));
    return std::unique_ptr<RateLimiter>(new RateLimiter(std::move(set), options, clock, random));
}

RateLimiter::RateLimiter(RuleSet rules, const LimiterOptions& options, const Clock& clock, Random& random)
    : clock_(clock), rules_(std::move(rules)), table_(options.keys_max, random) {
    for (std::size_t i = 0; i <= rules_.rules().size(); ++i) {
        counters_.denied_by_rule.push_back(std::make_unique<observe::Counter>());
    }
}

void RateLimiter::check_local(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept {
    decide(asks, now, out);
    if (!asks.empty()) counters_.decided_local.add();
}

void RateLimiter::decide(std::span<const Ask> asks, SteadyTime now, Verdict& out) noexcept {
    table_.admit(asks, now, out);
    count(out);
}

void RateLimiter::count(const Verdict& verdict) noexcept {
    if (verdict.count == 0) return;
    (verdict.answer == Answer::kDenied ? counters_.denied : counters_.allowed).add();
    if (verdict.shadow_denied) counters_.shadow_denied.add();
    if (verdict.answer != Answer::kDenied && !verdict.shadow_denied) return;
    for (const Standing& standing : verdict.all()) {
        if (!standing.denied) continue;
        const std::size_t rule = standing.rule == kOwnRule ? rules_.rules().size() : standing.rule;
        counters_.denied_by_rule[rule]->add();
    }
}

std::optional<Degraded> RateLimiter::degraded() const {
    const Lock lock(mutex_);
    if (loops_degraded_ == 0) return std::nullopt;
    return state_;
}

void RateLimiter::loop_degraded(const std::string& reason) {
    {
        const Lock lock(mutex_);
        if (++loops_degraded_ > 1) return;
        state_ = {reason, clock_.unix_ms()};
    }
    if (on_degraded_) on_degraded_(true, reason);
}

void RateLimiter::loop_recovered() {
    {
        const Lock lock(mutex_);
        if (--loops_degraded_ > 0) return;
    }
    if (on_degraded_) on_degraded_(false, {});
}

}  // namespace tidegate::limits
