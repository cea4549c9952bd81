// Storable: may a shared cache keep this answer, for how long, and without which fields (RFC 9111, 3; 9110, 9.3; 9213; 5861).
//
// Guarantee   Refuses when in doubt, and says why: the reason decides whether requests for the same key should stop waiting for
//             one another (hit for miss).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "pipeline/cache/rules/facts.h"
#include "pipeline/cache/rules/times.h"

namespace tidegate::cache::rules {

enum class Refusal : std::uint8_t {
    kNone,
    kMethod,       // Not GET, nor a POST that names its own target.
    kRequestBody,  // A GET with content: the key does not see it.
    kRequestNoStore,
    kStatus,  // 1xx, 206, 304, or must-understand with a status we do not.
    kNoStore,
    kPrivate,
    kAuthorization,  // The request had a credential and the origin does not share the answer.
    kCredentials,    // Lifetime of our own making, request with Cookie or Authorization.
    kSetCookie,
    kVaryStar,
    kVaryTooLarge,
    kNotFresh,      // Neither fresh nor worth validating nor of use when stale.
    kFieldTooMany,  // More fields named by private= or no-cache= than we follow.
};
/// For Cache-Status's detail and for logs.
std::string_view to_string(Refusal refusal) noexcept;

struct StoreDecision {
    Refusal refusal = Refusal::kNone;
    Times times;
    std::uint16_t flags = 0;  // Flag
    /// Lower-case names of fields that are sent to this client and not kept.
    std::vector<std::string> strip;
    bool store() const noexcept { return refusal == Refusal::kNone; }
};

/// An answer's head as it came. Hop-by-hop fields may still be there.
struct ResponseView {
    int status = 0;
    const http::Headers& headers;
};
/// `target` is the request's (path and query, as sent upstream): for Content-Location. Times in Unix milliseconds of one clock.
struct Exchange {
    const RequestFacts& request;
    std::string_view target;
    UnixMillis request_ms = 0;
    UnixMillis response_ms = 0;
};

StoreDecision storable(const Exchange& exchange, const ResponseView& response, const RoutePolicy& policy);

/// What is kept: the fields of `response` without hop-by-hop fields, Age, fields about one request (RateLimit, Server-Timing,
/// ...), Content-Length and what `strip` names; with a Date, of when it came, where the origin sent none.
http::Headers stored_fields(const http::Headers& response, const StoreDecision& decision);

}  // namespace tidegate::cache::rules
