// Stage "limit": is this caller within its rates?
//
// Position    After identity, before spend: a flood must not touch the ledger.
// Guarantee   All rules that apply allow and are charged, or none is. What is left stands in the answer's header, refused or
//             not.
// Memory      None here; the table of keys is bounded (limits.keys_max).
// Threads     The loop. With Redis the stage waits for its answer without holding a thread.
// When full   429 with Retry-After and the rule's name. Redis away: this process' own limits (see limits/loop_limiter.h).
#include "pipeline/dispatcher.h"
#include "pipeline/limits/headers.h"

namespace tidegate::pipeline {
namespace {

limits::Subjects subjects_of(const Caller& caller, LoopParts& loop, std::string_view address) {
    limits::Subjects subjects;
    if (caller.kind == Caller::Kind::kAnonymous) {
        subjects.address = caller.actor_hash;
    } else {
        subjects.key = caller.actor_hash;
        subjects.address = loop.authenticator->anonymous(address)->actor_hash;
    }
    subjects.tenant = caller.tenant_hash;
    return subjects;
}

int seconds_up(std::int64_t ns) {
    return static_cast<int>(
        std::min<std::int64_t>(std::max<std::int64_t>(1, (ns + 999'999'999) / 1'000'000'000), 86'400));
}

}  // namespace

Step Stages::limit(Dispatcher& dispatcher, Context& context) {
    LoopParts* loop = context.loop_;
    if (loop == nullptr || !loop->limiter || !context.caller_) return Step::kNext;
    const limits::RuleSet& rules = dispatcher.gate_.limiter->rules();
    const Caller& caller = *context.caller_;
    const Rate* own = caller.rate ? &*caller.rate : nullptr;
    const limits::Asks asks =
        rules.asks(context.route_->limits, subjects_of(caller, *loop, context.head().client()), own);
    if (asks.empty()) return Step::kNext;
    limits::Verdict verdict;
    if (loop->redis == nullptr) {
        loop->limiter->check_local(asks, verdict);
        return judge_limit(dispatcher, context, verdict);
    }
    limits::LoopLimiter::Done done = [&dispatcher, exchange = context.exchange()](const limits::Verdict& told) {
        auto& waiting = *static_cast<Context*>(exchange->attachment.get());
        dispatcher.resume(exchange, waiting.answered_ ? Step::kAnswered : judge_limit(dispatcher, waiting, told));
    };
    loop->limiter->check(asks, verdict, done);
    return verdict.answer == limits::Answer::kPending ? Step::kWait : judge_limit(dispatcher, context, verdict);
}

Step Stages::judge_limit(Dispatcher& dispatcher, Context& context, const limits::Verdict& verdict) {
    const limits::RuleSet& rules = dispatcher.gate_.limiter->rules();
    const Rate* own = context.caller_->rate ? &*context.caller_->rate : nullptr;
    const limits::LimitFields fields = limits::render(verdict, rules, own);
    if (!fields.policy.empty()) {
        context.extra_.add(limits::LimitFields::kPolicy, fields.policy);
        context.extra_.add(limits::LimitFields::kRateLimit, fields.rate_limit);
        context.extra_.add(limits::LimitFields::kLimit, fields.limit);
        context.extra_.add(limits::LimitFields::kRemaining, fields.remaining);
        context.extra_.add(limits::LimitFields::kReset, fields.reset);
    }
    if (verdict.answer != limits::Answer::kDenied) return dispatcher.pass(Guard::kLimit);
    context.retry_after_s_ = seconds_up(verdict.retry_after_ns());
    const limits::Standing* tightest = verdict.tightest();
    const std::string rule = tightest != nullptr ? std::string(rules.name_of(tightest->rule)) : std::string();
    return dispatcher.refuse(
        context, Guard::kLimit,
        {ErrorCode::kResourceExhausted, "Over the rate limit `" + rule + "`; Retry-After says when to ask again."});
}

}  // namespace tidegate::pipeline
