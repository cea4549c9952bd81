// Stages "receive", "queue" and "handle": from the loop to the thread that does the work.
//
// Position    receive ends the head's half of the way; queue leaves the loop for the pool that the route names.
// Guarantee   A request that is handed over is run exactly once or answered 503.
// Memory      A place in the pool's bounded queue.
// Threads     The loop; after "queue" the pool's thread.
// When full   503 with Retry-After: 1, counted by the pool.
#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {
namespace {

/// Closing one's side may mean "no more questions" or "given up". Whoever does it after a long wait has most likely given
/// up, and working for the departed is how an overloaded server stays overloaded.
constexpr Duration kPatience = std::chrono::seconds(1);

}  // namespace

Step Stages::receive(Dispatcher&, Context& context) {
    return context.received_ ? Step::kNext : Step::kWait;
}

Step Stages::hand_over(Dispatcher& dispatcher, Context& context) {
    const Work work = context.route_->route.work;
    if (work == Work::kInline) return Step::kNext;
    runtime::WorkerPool& pool = work == Work::kCpu ? dispatcher.parts_.cpu : dispatcher.parts_.blocking;
    const bool taken = pool.submit([&dispatcher, guard = context.self()] {
        Context& waited = *guard;
        waited.end_stage("queue");
        // Others may wait for what one that has left has asked.
        const bool wanted = waited.recall_ && waited.recall_->others_wait();
        if (waited.exchange_.unreachable() && !wanted)
            return waited.fail({ErrorCode::kCancelled, "The client has left."});
        if (waited.client_gone() && !wanted && Duration(waited.stages().stages().back().ns) > kPatience) {
            return waited.fail({ErrorCode::kUnavailable, "The request waited too long; ask again in a second."});
        }
        ++waited.next_stage_;
        dispatcher.advance(waited);
    });
    if (taken) return Step::kWait;
    context.fail({ErrorCode::kUnavailable, "Too many requests are waiting; ask again in a second."});
    return Step::kAnswered;
}

Step Stages::handle(Dispatcher&, Context& context) {
    context.route_->route.handler(context.self());
    return Step::kAnswered;  // Now or later; the guard answers for a handler that does not.
}

}  // namespace tidegate::pipeline
