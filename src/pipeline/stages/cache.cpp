// Stages "look" and "cache": has this question been answered, or is it being answered now?
//
// Position    After validate: only a valid question has a canonical form. For a small body that is on the loop, before the queue
//             ("look"), so that a hit crosses no thread; a large one is read on the pool first ("cache").
// Guarantee   Of equal questions at once one is led to the handler, in this process and, with Redis, among all that share it. Who
//             waits hears once: the answer, the failure, or that it should ask by itself.
// Memory      A Recall a request, and one that waits holds its exchange until it hears or its client leaves.
// Threads     The store is asked on either side; whatever waits, waits on the loop without holding a thread.
// When full   Too many wait, or for too long a leader: who comes then asks by itself (cache/flights.h).
#include "pipeline/dispatcher.h"
#include "pipeline/problem.h"
#include "pipeline/recall.h"

namespace tidegate::pipeline {
namespace {

/// Up to here a body is parsed, checked, made canonical and hashed on the loop. A hit of this size costs 45 us of a core in all,
/// 50 by way of the pool (32 connections; at one connection 120 and 148); of 2 KB, 23.
constexpr std::size_t kLoopBytesMax = std::size_t{16} * 1024;
/// As long as anybody waits for a flight that has not landed (FlightOptions::leader_age_max is when nobody new does).
constexpr Duration kWaitMax = std::chrono::seconds(30);
/// A process that leads and dies is waited for this long; a longer handler may run twice, no more.
constexpr Duration kLeaseMax = std::chrono::seconds(5);

}  // namespace

Step Stages::look(Dispatcher& dispatcher, Context& context) {
    RecallPlan* const plan = context.route_->recall.get();
    if (plan == nullptr || context.loop_ == nullptr) return Step::kNext;
    context.recall_ = std::make_shared<Recall>(*plan, *context.loop_);
    if (context.exchange_.body().size() > kLoopBytesMax) return Step::kNext;
    if (validate(dispatcher, context) != Step::kNext) return Step::kAnswered;
    return ask(dispatcher, context, true);
}

Step Stages::cache(Dispatcher& dispatcher, Context& context) {
    if (!context.recall_) return Step::kNext;
    switch (context.recall_->place()) {
        case Recall::Place::kNew:
            return ask(dispatcher, context, context.route_->route.work == Work::kInline);
        case Recall::Place::kFound:
            if (context.recall_->give(context)) return Step::kAnswered;
            context.recall_->begin();
            return Step::kNext;
        case Recall::Place::kOwn:
            break;
    }
    return Step::kNext;
}

Step Stages::ask(Dispatcher& dispatcher, Context& context, bool on_loop) {
    Recall& recall = *context.recall_;
    switch (recall.look_up(context)) {
        case cache::rules::Use::kFresh:
            return give(context, recall.found(), false, on_loop);
        case cache::rules::Use::kGatewayTimeout:
            context.finish(error_response(context.error_shape(),
                                          {.status = 504,
                                           .error = "not_cached",
                                           .detail = "The request asked for a kept answer only, and there is none.",
                                           .request_id = context.request_id(),
                                           .path = context.head().path}));
            return Step::kAnswered;
        default:
            break;
    }
    if (!recall.may_lead()) {
        recall.begin();
        return Step::kNext;
    }
    if (on_loop) return consult(dispatcher, context);
    // Not by way of the loop's parts: at a stop that does not wait they end before the pool does.
    recall.mailbox().post(
        [&dispatcher, guard = context.self()] { go_on(dispatcher, *guard, consult(dispatcher, *guard)); });
    return Step::kWait;
}

/// What has to be packed for this client is left to the pool.
Step Stages::give(Context& context, cache::EntryPtr entry, bool coalesced, bool on_loop) {
    Recall& recall = *context.recall_;
    recall.find(std::move(entry), coalesced);
    const bool leave = on_loop && context.route_->route.work != Work::kInline && context.packs(recall.found_bytes());
    if (leave) return Step::kNext;
    if (recall.give(context)) return Step::kAnswered;
    recall.begin();
    return Step::kNext;
}

/// After a wait. A pool has to be entered again: what waited has left it.
void Stages::go_on(Dispatcher& dispatcher, Context& context, Step step) {
    if (step == Step::kNext && !context.answered_) dispatcher.enter_queue(context);
}

Step Stages::consult(Dispatcher& dispatcher, Context& context) {
    cache::SecondLevel* const second = context.loop_->second_level.get();
    if (second == nullptr) return join(dispatcher, context);
    const Recall& recall = *context.recall_;
    const bool asked =
        second->fetch(recall.key(), recall.plan().common, [&dispatcher, guard = context.self()](cache::EntryPtr entry) {
            if (guard->answered_) return;
            const bool good = entry && guard->recall_->fits(*entry);
            go_on(dispatcher, *guard, good ? give(*guard, std::move(entry), false, true) : join(dispatcher, *guard));
        });
    return asked ? Step::kWait : join(dispatcher, context);
}

Step Stages::join(Dispatcher& dispatcher, Context& context) {
    Recall& recall = *context.recall_;
    runtime::EventLoop& loop = context.loop_->loop;
    auto joined = recall.plan().flights.join(
        recall.key(), loop.now(), context.exchange_.received_at() + kWaitMax, loop.mailbox(),
        [&dispatcher, guard = context.self()](const cache::Landing& landing) { landed(dispatcher, *guard, landing); });
    switch (joined.role) {
        case cache::Flights::Joined::Role::kWaiter:
            recall.wait(std::move(joined.waiter));
            return Step::kWait;
        case cache::Flights::Joined::Role::kLeader:
            recall.lead(std::move(joined.leader));
            return lead(dispatcher, context);
        case cache::Flights::Joined::Role::kAlone:
            break;
    }
    recall.begin();
    return Step::kNext;
}

void Stages::landed(Dispatcher& dispatcher, Context& context, const cache::Landing& landing) {
    using Outcome = cache::Landing::Outcome;
    Recall& recall = *context.recall_;
    recall.leave();
    if (context.answered_) return;
    switch (landing.outcome) {
        case Outcome::kKept:
            return go_on(dispatcher, context, give(context, landing.entry, true, true));
        case Outcome::kUncacheable:
        case Outcome::kVaries:
            recall.begin();
            return go_on(dispatcher, context, Step::kNext);
        case Outcome::kFailed:
            return context.fail({code_of_status(landing.failure->status), landing.failure->detail});
        case Outcome::kOverdue:
            return context.fail(
                {ErrorCode::kDeadlineExceeded, "The answer that others asked for too did not come in time."});
    }
}

/// One of all processes makes the answer.
Step Stages::lead(Dispatcher& dispatcher, Context& context) {
    cache::SecondLevel* const second = context.loop_->second_level.get();
    const bool asked = second != nullptr && second->lease(context.recall_->key(), kLeaseMax,
                                                          [&dispatcher, guard = context.self()](bool mine) {
                                                              leased(dispatcher, *guard, mine);
                                                          });
    if (asked) return Step::kWait;
    context.recall_->begin();
    return Step::kNext;
}

void Stages::leased(Dispatcher& dispatcher, Context& context, bool mine) {
    Recall& recall = *context.recall_;
    if (context.answered_) return;
    if (mine) recall.hold_lease();
    cache::SecondLevel* const second = context.loop_->second_level.get();
    const bool waits = !mine && second->await(recall.key(), kLeaseMax, recall.plan().common,
                                              [&dispatcher, guard = context.self()](cache::EntryPtr entry) {
                                                  if (guard->answered_) return;
                                                  // It may be older than what this client takes.
                                                  if (entry && guard->recall_->fits(*entry)) {
                                                      guard->recall_->pass_on(entry);
                                                      const Step step = give(*guard, std::move(entry), true, true);
                                                      return go_on(dispatcher, *guard, step);
                                                  }
                                                  guard->recall_->begin();
                                                  go_on(dispatcher, *guard, Step::kNext);
                                              });
    if (waits) return;
    recall.begin();
    go_on(dispatcher, context, Step::kNext);
}

}  // namespace tidegate::pipeline
