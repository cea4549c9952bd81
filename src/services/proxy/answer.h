// Answer: what one client gets: an upstream's answer or a kept one, held or streamed, with its Decision before its end.
//
// Guarantee   Held (known length up to kHeldBytesMax): the client gets the whole answer or a problem document, and nothing
//             before its Decision is durable. Streamed: bytes pass as they come; the last ones wait for the Decision, and an
//             answer that cannot be whole or recorded is cut, never ended as if it were.
// Memory      Held: up to kHeldBytesMax. Streamed: the stream's own buffer, plus what a cache fill goes on to bring while the
//             client is slow (bounded by the largest object the cache takes).
// Threads     The loop of the exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/decision.h"
#include "http/client/client.h"
#include "pipeline/cache/entry.h"
#include "pipeline/cache/rules/cache_status.h"
#include "pipeline/context.h"
#include "services/proxy/route.h"

namespace tidegate::proxy {

/// How the answer came to be, for headers and Decision.
struct Provenance {
    cache::rules::XCache word = cache::rules::XCache::kMiss;
    cache::rules::CacheStatus status;
    audit::CacheState state = audit::CacheState::kMiss;
    std::string_view target;  // Of the upstream that answered; empty for a kept one.
};

class Answer {
  public:
    static constexpr std::uint64_t kHeldBytesMax = 64 * 1024;

    Answer(pipeline::ContextPtr context, ProxyRoutePtr route);

    /// The head has come. `fields` are those for the client.
    void begin(int status, http::Headers fields, std::optional<std::uint64_t> length, bool has_body,
               const Provenance& provenance);
    bool begun() const noexcept { return begun_; }
    /// False: the client is slow; `room` is called once when it has caught up.
    bool write(std::string_view bytes, const std::function<void()>& room);
    /// The body is whole: records, then ends.
    void end();
    /// The body will not be whole.
    void break_off(std::string_view why);
    /// A kept answer, whole.
    void give(const cache::EntryPtr& entry, const http::RequestHead& head, UnixMillis now, Provenance provenance,
              std::uint32_t age_s);
    /// A refusal or failure of ours.
    void refuse(int status, std::string_view error, std::string_view detail, Duration retry_after, bool record);

    /// Something more for the Decision.
    void tag(std::string name, std::string value) { tags_.push_back({std::move(name), std::move(value)}); }

  private:
    audit::Decision decision(int status, const Provenance& provenance, std::string_view body, bool whole) const;
    bool records(const Provenance& provenance) const noexcept;
    /// `body` may be the response's own: it is not moved from before the Decision has been made.
    void send(http::Response&& response, const Provenance& provenance, std::string_view body);
    void end_stream();

    pipeline::ContextPtr context_;
    ProxyRoutePtr route_;
    http::Response held_;
    Provenance provenance_;
    std::vector<audit::Tag> tags_;
    std::string target_;  // What provenance_.target points to.
    std::shared_ptr<http::Stream> stream_;
    std::string backlog_;  // What a slow client has not taken.
    std::string sample_;   // The beginning of a streamed body, for the Decision.
    std::uint64_t body_bytes_ = 0;
    int status_ = 0;
    bool begun_ = false;
    bool ended_ = false;
    bool waiting_ = false;  // For room in the stream.
};

}  // namespace tidegate::proxy
