#include "pipeline/upstream/options.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "http/client/addresses.h"

namespace tidegate::upstream {
namespace {

// Names under which clouds serve their metadata without an address being written.
bool is_metadata_name(std::string_view host) {
    static constexpr std::array<std::string_view, 4> kNames{"metadata", "metadata.google.internal", "instance-data",
                                                            "instance-data.ec2.internal"};
    return std::ranges::any_of(kNames, [host](std::string_view name) { return iequals(host, name); });
}

std::unexpected<Error> wrong(const UpstreamOptions& options, std::string what) {
    return fail(ErrorCode::kInvalidArgument, "upstream `" + options.name + "`: " + std::move(what));
}

Result<void> check_numbers(const UpstreamOptions& options) {
    const BreakerOptions& breaker = options.pool.breaker;
    if (breaker.calls_min > breaker.window) {
        return wrong(options,
                     "breaker.calls_min is over breaker.window: the share of failures would never be looked at");
    }
    if (breaker.open_for > breaker.open_max) return wrong(options, "breaker.open_s is over breaker.open_max_s");
    const HealthOptions& health = options.health;
    if (!health.path.empty()) {
        if (!health.path.starts_with('/')) return wrong(options, "health.path does not begin with a slash");
        const auto is_bad = [](char c) { return c <= ' ' || c > '~' || c == '#'; };
        if (std::ranges::any_of(health.path, is_bad)) return wrong(options, "health.path holds what no path may");
        if (health.status_min > health.status_max) return wrong(options, "health.status_min is over health.status_max");
    }
    if (options.retry.backoff_base > options.retry.backoff_max) {
        return wrong(options, "retries.backoff_ms is over retries.backoff_max_ms");
    }
    const AdmissionOptions& admission = options.admission;
    if (admission.adaptive && admission.concurrency_min > admission.concurrency_max) {
        return wrong(options, "admission.concurrency_min is over admission.concurrency_max");
    }
    if (admission.wait_target > admission.wait_max) {
        return wrong(options, "admission.wait_target_ms is over admission.wait_max_ms");
    }
    return {};
}

bool is_good_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

}  // namespace

bool is_link_local(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.ends_with('.')) host.remove_suffix(1);
    if (is_metadata_name(host)) return true;
    const std::string text(host.substr(0, host.find('%')));  // Without a zone.
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return http::is_link_local(v6);
    in_addr v4{};
    // inet_aton takes what getaddrinfo takes: one to four parts, decimal, octal or hexadecimal.
    return ::inet_aton(text.c_str(), &v4) == 1 && http::is_link_local(ntohl(v4.s_addr));
}

Result<std::vector<PoolTarget>> targets_of(const UpstreamOptions& options) {
    std::vector<PoolTarget> targets;
    for (const TargetOptions& target : options.targets) {
        auto origin = http::parse_origin(target.url);
        // Not the URL itself: it may hold a password.
        if (!origin) {
            return wrong(options,
                         "the URL of target " + std::to_string(targets.size()) + ": " + origin.error().message);
        }
        if (!options.allow_link_local && is_link_local(origin->host)) {
            return wrong(options, "target `" + target.url +
                                      "` is a link-local address, where clouds keep their metadata; " +
                                      "allow_link_local: true allows it");
        }
        const auto same = [&](const PoolTarget& other) {
            return other.origin.host == origin->host && other.origin.port == origin->port &&
                   other.origin.tls == origin->tls;
        };
        if (std::ranges::any_of(targets, same)) return wrong(options, "target `" + target.url + "` stands there twice");
        if (target.weight == 0) return wrong(options, "target `" + target.url + "` has no weight");
        origin->allow_link_local = options.allow_link_local;
        origin->ca_file = options.tls.ca_file;
        origin->verify = options.tls.verify;
        origin->server_name = options.tls.server_name;
        targets.push_back({*std::move(origin), target.url, target.weight});
    }
    return targets;
}

Result<void> check(const UpstreamOptions& options) {
    if (!is_good_name(options.name)) {
        return wrong(options, "a name is 1 to 64 letters, digits, dots, hyphens and underscores");
    }
    if (options.targets.empty()) return wrong(options, "it has no targets");
    if (options.targets.size() > kTargetsMax) {
        return wrong(options, "it has more than " + std::to_string(kTargetsMax) + " targets");
    }
    TG_CHECK(check_numbers(options));
    TG_CHECK(targets_of(options));
    return {};
}

PoolOptions pool_options(const UpstreamOptions& options) {
    PoolOptions pool = options.pool;
    pool.balance.round_robin = options.balance == "round_robin";
    return pool;
}

http::ClientOptions client_options(const UpstreamOptions& options) {
    http::ClientOptions client = options.connections;
    client.idle_connections_max = std::min(client.idle_connections_max, client.connections_max);
    return client;
}

}  // namespace tidegate::upstream
