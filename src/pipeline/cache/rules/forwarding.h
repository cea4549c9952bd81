// Forwarding: the fields of a request on its way to an upstream, and of an answer on its way back (RFC 9110, 7.6; RFC 7239).
//
// Guarantee   Nothing that concerns one connection travels on. A client can neither name itself (X-Forwarded-*, Forwarded) nor
//             reach the origin through fields that route or rewrite behind our back, nor have fields removed that we rely on. What a
//             proxy says that server.trusted_proxies names (RequestHead::peer_trusted) is appended to instead of replaced: of
//             X-Forwarded-For and Forwarded the one that we read ourselves (http/trusted_proxies.h); the other may be the
//             client's.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace tidegate::cache::rules {

enum class ForwardedStyle : std::uint8_t { kNone, kX, kForwarded, kBoth };

struct ForwardOptions {
    std::string pseudonym =
        "tidegate";                  // In Via; a token. One for each installation, else chains of two look like loops.
    std::string upstream_authority;  // Host to send.
    bool keep_host = false;          // Send the client's Host instead.
    ForwardedStyle forwarded = ForwardedStyle::kX;
    bool trace = false;         // Let TRACE through.
    bool keep_upgrade = false;  // The caller speaks for Upgrade itself (WebSocket).
    /// Lower-case names that stay here: our own credentials (authorization, x-api-key), where the route says so.
    std::vector<std::string> drop;
};

struct ForwardRefusal {
    int status = 400;
    std::string_view detail;  // Static text.
};
/// The request came through us before: 508.
bool is_loop(const http::Headers& request, std::string_view pseudonym) noexcept;

/// A refusal of status 200 is none: Max-Forwards of OPTIONS or TRACE has come to 0, and the answer is ours to give.
/// The fields for the upstream, Host first, without Content-Length and Transfer-Encoding (the client of the http room makes them).
std::expected<http::Headers, ForwardRefusal> forward_request_headers(const http::RequestHead& request,
                                                                     const ForwardOptions& options);
/// The fields for the client: end-to-end ones, with our Via. `drop` are lower-case names.
http::Headers forward_response_headers(const http::Headers& response, std::string_view pseudonym,
                                       const std::vector<std::string>& drop);

/// Connection, what it names, and everything else that concerns one connection; as a question for one lower-case name.
bool is_hop_by_hop(std::string_view lower_name) noexcept;
/// Lower-case names that Connection lists, those excepted that no sender may have removed (Host, Cache-Control, ...).
std::vector<std::string> connection_names(const http::Headers& headers);
/// Takes all of them out.
void remove_hop_by_hop(http::Headers& headers);

}  // namespace tidegate::cache::rules
