// Stage "identity": who asks, and may they use this route?
//
// Position    Before limits and spend, which count by caller.
// Guarantee   A credential that is sent is never ignored; an admin route opens for an admin key only, also where nobody else
//             is asked for one. In shadow an unknown caller goes on by its address.
// Memory      None; callers are shared.
// Threads     The loop.
// When full   It cannot be.
#include "pipeline/dispatcher.h"

namespace tidegate::pipeline {
namespace {

bool is_allowed(Authenticator& authenticator, const Route& route, const Caller& caller) {
    if (route.access == Access::kAdmin) return caller.admin;
    return authenticator.may_use(caller, route.scopes);
}

}  // namespace

Step Stages::identity(Dispatcher& dispatcher, Context& context) {
    LoopParts* loop = context.loop_;
    if (loop == nullptr || !loop->authenticator) return Step::kNext;
    Authenticator& authenticator = *loop->authenticator;
    const Route& route = context.route_->route;
    const http::RequestHead& head = context.head();
    if (route.access == Access::kOpen) {
        if (route.raw_body) context.caller_ = authenticator.anonymous(head.client());
        return Step::kNext;
    }
    const auto outcome = authenticator.authenticate(head.headers, head.client(), context.clock().unix_ms());
    if (outcome.caller && is_allowed(authenticator, route, *outcome.caller)) {
        context.caller_ = outcome.caller;
        return dispatcher.pass(Guard::kIdentity);
    }
    context.caller_ = authenticator.anonymous(head.client());
    if (!outcome.caller) {
        if (const auto challenge = challenge_of(outcome.refusal); !challenge.empty()) {
            context.extra_.add("WWW-Authenticate", challenge);
        }
        return dispatcher.refuse(context, Guard::kIdentity, error_of(outcome.refusal));
    }
    if (outcome.caller->kind == Caller::Kind::kAnonymous) {
        context.extra_.add("WWW-Authenticate", challenge_of(Refusal::kMissing));
        return dispatcher.refuse(context, Guard::kIdentity,
                                 {ErrorCode::kUnauthenticated, "This route needs an admin key."});
    }
    context.extra_.add("WWW-Authenticate", kChallengeScope);
    return dispatcher.refuse(context, Guard::kIdentity,
                             {ErrorCode::kPermissionDenied, "The key does not open this route."});
}

}  // namespace tidegate::pipeline
