// What is asked of the cache: the text of a key, and what it takes to ask the same again without a client (warm-up).
//
// Guarantee   Two requests have one text exactly when the upstream cannot tell them apart, but for what Vary names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"
#include "services/proxy/fetch.h"
#include "services/proxy/route.h"

namespace tidegate::proxy {

/// A question of a route that keeps its answers, as the upstream sees it.
struct Question {
    http::Method method = http::Method::kGet;
    std::string_view method_text;
    std::string_view
        host;  // The client's; also where the upstream gets its own: it is told the client's in X-Forwarded-Host.
    std::string_view target;  // ProxyRoute::upstream_target()
    /// Of the caller; absent: the answer is everybody's.
    std::optional<std::string_view> tenant;
    std::string_view body;  // Part of the key with POST alone,
    std::string kind;       // and body_kind() with it.
};
/// How an upstream is told to read a body: its type and coding, all there are. Empty: as JSON.
std::string body_kind(const http::Headers& fields);
std::string key_text(const ProxyRoute& route, const Question& question);

/// A question that nobody's credential is part of, to be asked again. Of POST the body's type belongs to it.
struct Replay {
    std::string method, route, host, target, content_type, body;
};
/// A line for each member, the body last; lines hold no line ends.
std::string pack_replay(const Replay& replay);
/// Nothing when it is no such text.
std::optional<Replay> unpack_replay(std::string_view text);
/// What the upstream gets, with the fields that the route adds. The question is ours: nobody's address or conditions travel.
Result<FetchRequest> request_of(const Replay& replay, const ProxyRoute& route);

}  // namespace tidegate::proxy
