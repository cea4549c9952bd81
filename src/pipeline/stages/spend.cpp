// Stage "spend": are the points of this operation within the caller's day?
//
// Position    After the limits, before the body: reserved before the work, settled with what was recorded.
// Guarantee   Never over a cap, whatever runs at once (spend/ledger.h). The reservation lives in the Context: whatever ends the
//             request without charging it gives the points back.
// Memory      One reservation a request.
// Threads     The loop. With Redis the stage waits for its answer without holding a thread.
// When full   429 naming the cap and when it resets; `x-should-retry: false` when only the reset will help.
#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {
namespace {

using spend::Ledger;

spend::Payer payer_of(const Caller& caller, const SpendCaps& caps) {
    const bool address = caller.kind == Caller::Kind::kAnonymous;
    return {.actor = caller.actor_hash,
            .tenant = caller.tenant_hash,
            .is_address = address,
            .actor_cap = caller.daily_cap.value_or(address ? caps.address : caps.key),
            .tenant_cap = caps.tenant};
}

std::string_view words_of(spend::Cap cap) {
    switch (cap) {
        case spend::Cap::kKey:
            return "of this key";
        case spend::Cap::kAddress:
            return "of this address";
        case spend::Cap::kTenant:
            return "of this tenant";
    }
    return "";
}

}  // namespace

Step Stages::spend(Dispatcher& dispatcher, Context& context) {
    LoopParts* loop = context.loop_;
    const Points cost = context.spend_points();
    if (loop == nullptr || loop->ledger == nullptr || !context.caller_ || cost.is_zero()) return Step::kNext;
    const spend::Payer payer = payer_of(*context.caller_, dispatcher.gate_.caps);
    Ledger::Done done;
    if (loop->redis != nullptr) {
        done = [&dispatcher, exchange = context.exchange()](Ledger::Outcome outcome) {
            auto& waiting = *static_cast<Context*>(exchange->attachment.get());
            if (waiting.answered_) return;
            dispatcher.resume(exchange, judge_spend(dispatcher, waiting, std::move(outcome)));
        };
    }
    auto outcome = loop->ledger->reserve(payer, cost, context.clock().unix_ms(), std::move(done));
    return outcome ? judge_spend(dispatcher, context, *std::move(outcome)) : Step::kWait;
}

Step Stages::judge_spend(Dispatcher& dispatcher, Context& context, spend::Ledger::Outcome outcome) {
    if (outcome) {
        context.reservation_ = *std::move(outcome);
        return dispatcher.pass(Guard::kSpend);
    }
    const spend::Refusal& refusal = outcome.error();
    const UnixMillis now = context.clock().unix_ms();
    context.extra_.add("X-Spend-Cost", "0");
    if (const auto left = refusal.balance.remaining()) context.extra_.add("X-Spend-Remaining", to_string(*left));
    if (refusal.why == spend::Refusal::Why::kFull) {
        return dispatcher.refuse(context, Guard::kSpend,
                                 {ErrorCode::kUnavailable, "Too many callers spend at once; ask again in a second."});
    }
    if (refusal.until_reset) {
        context.retry_after_s_ = static_cast<int>(std::max<UnixMillis>(1, (refusal.resets_at - now + 999) / 1000));
        context.extra_.add("X-Should-Retry", "false");
    }
    return dispatcher.refuse(
        context, Guard::kSpend,
        {ErrorCode::kResourceExhausted, "Over the daily cap " + std::string(words_of(refusal.cap)) + " of " +
                                            to_string(refusal.balance.cap) + " points; it resets at " +
                                            format_rfc3339(refusal.resets_at) + "."});
}

}  // namespace tidegate::pipeline
