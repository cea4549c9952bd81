// Limits: every length and every time the server allows a client.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace tidegate::http {

struct Limits {
    std::uint32_t request_line_bytes_max = 8 * 1024;
    std::uint32_t headers_bytes_max = 32 * 1024;  // The whole head.
    std::uint32_t headers_count_max = 100;
    std::uint32_t connections_max = 10'000;
    // Of one client address over all loops; an IPv6 client is its /64, which is what one site has. A browser opens 6, a busy
    // service some hundred; those of server.trusted_proxies are not counted.
    std::uint32_t connections_per_address_max = 1024;
    std::uint32_t pipeline_depth_max = 32;  // Requests of one connection in work or waiting.
    std::uint64_t stream_buffer_bytes_max = 256 * 1024;
    // Of all requests together; the first 64 KiB of a body are not counted, so that small requests always get in. Room for
    // ten of the largest bodies; with connections_max small ones the worst case is about twice this.
    std::uint64_t bodies_bytes_max = 512ULL * 1024 * 1024;
    Duration header_read_max = std::chrono::seconds(10);  // From the first byte of a head to its end.
    Duration idle_max = std::chrono::seconds(60);         // Keep-alive without a request.
    Duration tls_handshake_max = std::chrono::seconds(5);
    std::uint32_t body_rate_min_bytes_s = 1024;  // Floor for a request body, after body_grace.
    Duration body_grace = std::chrono::seconds(5);
    Duration write_stall_max =
        std::chrono::seconds(20);  // A client that takes no byte of its answer for so long is cut.
    // Without a byte either way. WebSocket clients ping every 20 to 60 s; ten minutes also spare those that do not.
    Duration tunnel_idle_max = std::chrono::minutes(10);
};

}  // namespace tidegate::http
