// A scenario: one answer of an origin, and what the rules say to a later request; told in seconds.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "http/message.h"
#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/reuse.h"
#include "pipeline/cache/rules/storable.h"

namespace tidegate::cache::rules {

using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// 2026-03-01 12:00:00 UTC.
inline constexpr UnixMillis kStart = 1'772'366'400'000;

inline http::Headers headers(Fields fields) {
    http::Headers out;
    for (const auto& [name, value] : fields) out.add(name, value);
    return out;
}

/// An HTTP date so many seconds from kStart.
inline std::string date(std::int64_t seconds) {
    return format_http_date(kStart + seconds * 1000);
}

inline RequestFacts get(Fields fields = {}) {
    return read_request(http::Method::kGet, headers(fields), false);
}

inline StoreDecision store(const http::Headers& response, const RoutePolicy& policy = {}, int status = 200,
                           const RequestFacts& request = get()) {
    return storable({request, "/x", kStart, kStart}, {status, response}, policy);
}
inline StoreDecision store(Fields response, const RoutePolicy& policy = {}, int status = 200,
                           const RequestFacts& request = get()) {
    return store(headers(response), policy, status, request);
}

/// Whether an answer that came at kStart is sent to a plain GET `after_s` later without asking the origin.
inline bool reused(const http::Headers& response, std::int64_t after_s, const RoutePolicy& policy = {},
                   int status = 200) {
    const StoreDecision kept = store(response, policy, status);
    if (!kept.store()) return false;
    const ReuseDecision decision = reuse(get(), kept.times, kept.flags, policy, kStart + after_s * 1000);
    return decision.use == Use::kFresh;
}
inline bool reused(Fields response, std::int64_t after_s, const RoutePolicy& policy = {}, int status = 200) {
    return reused(headers(response), after_s, policy, status);
}

}  // namespace tidegate::cache::rules
