// Stage "overload": does the process have the memory to take this request?
//
// Position    The first stage: what will be shed costs nothing more.
// Guarantee   Above the memory ceiling new work is refused until 5 % of it is free again. Operations stay reachable: whoever
//             must find out why is not shed.
// Memory      None.
// Threads     The loop.
// When full   503 with Retry-After.
#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {

Step Stages::overload(Dispatcher& dispatcher, Context& context) {
    if (dispatcher.gate_.memory == nullptr || context.route_->route.access == Access::kOpen) return Step::kNext;
    if (!dispatcher.gate_.memory->refuses(context.exchange_.received_at())) {
        return dispatcher.pass(Guard::kOverload);
    }
    return dispatcher.refuse(context, Guard::kOverload,
                             {ErrorCode::kUnavailable, "The server holds as much memory as it may; ask again soon."});
}

}  // namespace tidegate::pipeline
