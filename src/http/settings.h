// The listener's settings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "http/limits.h"
#include "settings/table.h"

namespace tidegate::http {

struct ServerSettings {
    std::string address;
    std::uint16_t port = 0;
    std::uint32_t loops = 0;
    bool open_network = false;
    std::vector<std::string> trusted_proxies;
    std::string tls_certificate;
    std::string tls_key;
    Duration drain_max{};
    Limits limits;
};

inline void declare_limits(settings::Table& table, Limits& l) {
    using std::chrono::minutes;
    table.group("limits", "What a client may cost");
    table.add("limits.request_line_bytes_max", l.request_line_bytes_max, l.request_line_bytes_max)
        .range(256, 65536)
        .bytes()
        .doc("Longest request line; a longer one gets 414.");
    table.add("limits.headers_bytes_max", l.headers_bytes_max, l.headers_bytes_max)
        .range(1024, 1024 * 1024)
        .bytes()
        .doc("Largest head of a request; a larger one gets 431.");
    table.add("limits.headers_count_max", l.headers_count_max, l.headers_count_max)
        .range(8, 1000)
        .unit("fields")
        .doc("Most header fields; more get 431.");
    table.add("limits.connections_max", l.connections_max, l.connections_max)
        .range(1, 1'000'000)
        .unit("connections")
        .doc("Most open connections; one more is answered 503 and closed.");
    table.add("limits.connections_per_address_max", l.connections_per_address_max, l.connections_per_address_max)
        .range(1, 1'000'000)
        .unit("connections")
        .doc(
            "Most open connections of one client address (IPv6: one /64); one more is answered 503 and closed. Those "
            "of "
            "server.trusted_proxies are not counted.");
    table.add("limits.pipeline_depth_max", l.pipeline_depth_max, l.pipeline_depth_max)
        .range(1, 1000)
        .unit("requests")
        .doc("Requests of one connection in work; more wait unread.");
    table.add("limits.stream_buffer_bytes_max", l.stream_buffer_bytes_max, l.stream_buffer_bytes_max)
        .range(4096, 64 * 1024 * 1024)
        .bytes()
        .doc("Bytes of an event stream that wait for a slow reader.");
    table.add("limits.bodies_bytes_max", l.bodies_bytes_max, l.bodies_bytes_max)
        .range(64 * 1024 * 1024, 1ULL << 40U)
        .bytes()
        .doc("Memory that all request bodies over 64 KiB may hold together; one more gets 503.");
    table.add("limits.header_read_max_s", l.header_read_max, l.header_read_max)
        .range(std::chrono::milliseconds(100), minutes(5))
        .doc("From the first byte of a head to its end; then 408.");
    table.add("limits.idle_max_s", l.idle_max, l.idle_max)
        .range(std::chrono::milliseconds(100), minutes(60))
        .doc("Keep-alive without a request.");
    table.add("limits.tls_handshake_max_s", l.tls_handshake_max, l.tls_handshake_max)
        .range(std::chrono::milliseconds(100), minutes(1))
        .doc("Longest TLS handshake.");
    table.add("limits.body_rate_min_bytes_s", l.body_rate_min_bytes_s, l.body_rate_min_bytes_s)
        .range(1, 1024 * 1024)
        .bytes()
        .doc("Slowest rate a body may come in at, after limits.body_grace_s; then 408.");
    table.add("limits.body_grace_s", l.body_grace, l.body_grace)
        .range(std::chrono::milliseconds(100), minutes(5))
        .doc("Time before limits.body_rate_min_bytes_s counts.");
    table.add("limits.write_stall_max_s", l.write_stall_max, l.write_stall_max)
        .range(std::chrono::milliseconds(100), minutes(10))
        .doc("A client that takes no byte of its answer for so long is cut.");
    table.add("limits.tunnel_idle_max_s", l.tunnel_idle_max, l.tunnel_idle_max)
        .range(std::chrono::milliseconds(100), std::chrono::hours(24))
        .doc("A tunnel (WebSocket) without a byte either way for so long is cut.");
}

inline void declare(settings::Table& table, ServerSettings& s) {
    using std::chrono::minutes;
    using std::chrono::seconds;
    table.group("server", "The listener");
    table.add("server.address", s.address, "127.0.0.1")
        .flag("address")
        .doc("Numeric address to listen on; `::` and `0.0.0.0` mean every interface.");
    table.add("server.port", s.port, 8000).range(0, 65535).flag("port").doc("TCP port; 0 lets the kernel choose.");
    table.add("server.loops", s.loops, 0).range(0, 256).unit("threads").doc("Event loops; 0 means one a core.");
    table.add("server.open_network", s.open_network, false)
        .doc("Allow an address beyond loopback although callers are not identified by keys yet.");
    table.add("server.trusted_proxies", s.trusted_proxies, {})
        .doc(
            "Networks (`10.0.0.0/8`, `2001:db8::/32`) of proxies in front of this server: X-Forwarded-For, or "
            "Forwarded "
            "where there is none, of a request from them says who the client is; from anybody else never.");
    table.add("server.tls_certificate", s.tls_certificate, "")
        .doc("PEM certificate chain; with server.tls_key turns TLS on.");
    table.add("server.tls_key", s.tls_key, "").doc("PEM private key file.");
    table.add("server.drain_max_s", s.drain_max, seconds(30))
        .range(seconds(0), minutes(10))
        .doc("After SIGTERM, how long requests in work may take to finish.");
    declare_limits(table, s.limits);
}

}  // namespace tidegate::http
