#include "pipeline/cache/rules/reuse.h"

#include <algorithm>

#include "pipeline/cache/residence.h"

namespace tidegate::cache::rules {
namespace {

/// By how much it is past its lifetime, in milliseconds; not negative.
UnixMillis stale_ms(const Times& times, UnixMillis now) noexcept {
    const UnixMillis resident = resident_ms(times.response_ms, now);
    return std::max<UnixMillis>(0, (UnixMillis{times.initial_age_s} - UnixMillis{times.lifetime_s}) * 1000 + resident);
}

bool inside(UnixMillis stale, Seconds window) noexcept {
    return window >= kForever || stale <= window * 1000;
}

/// The client wants an answer that is checked, or younger than what there is.
bool client_wants_new(const RequestFacts& request, const ReuseDecision& found, const ClientWishes& wishes) noexcept {
    const RequestDirectives& said = request.directives;
    if (said.no_cache && wishes.no_cache) return true;
    // RFC 9111, 5.4: Pragma counts only where there is no Cache-Control.
    if (request.pragma_no_cache && !request.has_cache_control && wishes.pragma) return true;
    if (said.max_age != kAbsent && wishes.max_age) {
        // 0 means "now", also within the second in which the answer came.
        if (said.max_age == 0 || Seconds{found.age_s} > said.max_age) return true;
    }
    return said.min_fresh > 0 && wishes.min_fresh && found.ttl_s < said.min_fresh;
}

bool stale_is_forbidden(std::uint16_t flags) noexcept {
    return (flags & (kMustRevalidate | kNoCache)) != 0;
}

}  // namespace

ReuseDecision reuse(const RequestFacts& request, const Times& times, std::uint16_t flags, const RoutePolicy& policy,
                    UnixMillis now) noexcept {
    ReuseDecision out{Use::kFresh, Cause::kNone, age_s(times, now), ttl_s(times, now)};
    const bool fresh = (flags & kNoCache) == 0 && is_fresh(times, now);
    const bool wants_new = client_wants_new(request, out, policy.wishes);
    if (fresh && !wants_new) return out;
    if (!fresh && !wants_new && !stale_is_forbidden(flags)) {
        const UnixMillis stale = stale_ms(times, now);
        const Seconds max_stale = request.directives.max_stale;
        if (times.stale_while_revalidate_s > 0 && inside(stale, times.stale_while_revalidate_s)) {
            out.use = Use::kStaleRevalidate;
            return out;
        }
        if (max_stale != kAbsent && policy.wishes.max_stale && inside(stale, max_stale)) {
            out.use = Use::kStale;
            return out;
        }
    }
    out.cause = fresh ? Cause::kRequest : Cause::kStale;
    if (request.directives.only_if_cached && policy.wishes.only_if_cached) {
        out.use = Use::kGatewayTimeout;
    } else {
        out.use = (flags & kHasValidator) != 0 ? Use::kValidate : Use::kFetch;
    }
    return out;
}

ReuseDecision nothing_stored(const RequestFacts& request, const RoutePolicy& policy) noexcept {
    const bool refuse = request.directives.only_if_cached && policy.wishes.only_if_cached;
    return {refuse ? Use::kGatewayTimeout : Use::kFetch, Cause::kUriMiss, 0, 0};
}

bool may_stand_in(Fault fault, const RequestFacts& request, const Times& times, std::uint16_t flags,
                  const RoutePolicy& policy, UnixMillis now) noexcept {
    if ((flags & kNoCache) != 0) return false;
    if (is_fresh(times, now)) return true;  // Only the client's wish had it checked.
    if (stale_is_forbidden(flags)) return false;
    if (fault != Fault::kServerError && policy.stale_when_gone) return true;
    const UnixMillis stale = stale_ms(times, now);
    if (times.stale_if_error_s > 0 && inside(stale, times.stale_if_error_s)) return true;
    const Seconds wish = request.directives.stale_if_error;
    return wish > 0 && policy.wishes.stale_if_error && inside(stale, wish);
}

bool is_server_error(int status) noexcept {
    return status == 500 || status == 502 || status == 503 || status == 504;
}

int status_for(Fault fault, std::uint16_t flags) noexcept {
    if (stale_is_forbidden(flags) || fault == Fault::kTimeout) return 504;
    return 502;
}

}  // namespace tidegate::cache::rules
