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
Step Stages::spend(Dispatcher& dispatcher, Context& context) {
    LoopParts* loop = context.loop_;
    const Points cost = context.spend_points();
    if (loop == nullptr || loop->ledger == nullptr || !context.caller_ || cost.is_zero()) return Step::kNext;
    const spend::Payer payer = dispatcher.gate_.spend->payer(*context.caller_);
    spend::Ledger::Done done;
    if (loop->redis != nullptr) {
        done = [&dispatcher, exchange = context.exchange()](spend::Ledger::Outcome outcome) {
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
    const Points cost = context.spend_points();
    spend::add_refusal_headers(context.extra_, refusal, cost, context.clock().unix_ms());
    context.says_when_ = true;
    return dispatcher.refuse(context, Guard::kSpend, spend::error_of(refusal, cost, *dispatcher.gate_.zone));
}

}  // namespace tidegate::pipeline
