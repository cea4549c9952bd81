// UpstreamOptions: one upstream of the settings, whole: its targets and how they are called, watched and protected.
//
// Guarantee   Targets come from the settings only, never from a request. check() refuses what would make the gate a way to
//             places it should not reach: users or paths in a URL, and the link-local addresses where clouds keep their
//             metadata (169.254.0.0/16, fe80::/10, fd00:ec2::/32) in any spelling, unless `allow_link_local` says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client/client.h"
#include "pipeline/upstream/admission.h"
#include "pipeline/upstream/health_checker.h"
#include "pipeline/upstream/pool.h"
#include "pipeline/upstream/retry.h"

namespace tidegate::upstream {

struct TargetOptions {
    std::string url;  // `http://host:port` or `https://...`.
    std::uint32_t weight = 1;
};

struct TlsOptions {
    std::string ca_file;
    bool verify = true;
    std::string server_name;
};

struct UpstreamOptions {
    std::string name;
    std::vector<TargetOptions> targets;
    bool allow_link_local = false;
    std::string balance = "least_request";
    http::CallTimes times;
    http::ClientOptions connections;  // connections_max, waiting_max, idle_connections_max, idle_connection_max.
    TlsOptions tls;
    PoolOptions pool;  // `pool.balance.round_robin` follows from `balance`, see pool_options().
    RetryOptions retry;
    HealthOptions health;
    AdmissionOptions admission;
};

/// Of the settings `admission.*`: what holds for the process, whatever the upstream.
struct AdmissionSettings {
    std::uint64_t memory_bytes_max = 0;
    double memory_share_max = 0.9;
};

/// kInvalidArgument says in words what is wrong, beginning with the upstream's name.
Result<void> check(const UpstreamOptions& options);
/// What Pool takes. The targets of options that passed check(); kInvalidArgument otherwise.
Result<std::vector<PoolTarget>> targets_of(const UpstreamOptions& options);
PoolOptions pool_options(const UpstreamOptions& options);
/// What http::make_client takes, for a client of this upstream's own on each loop; no more kept than open at once.
http::ClientOptions client_options(const UpstreamOptions& options);
/// Of what the settings say; what a name resolves to is looked at when connecting (Origin::allow_link_local). True for 169.254.0.0/16, fe80::/10, fd00:ec2::/32, their
/// IPv4-mapped form, every spelling of them that a resolver takes (`2852039166`, `0xa9.0xfe.0.1`), and the metadata names.
bool is_link_local(std::string_view host);

}  // namespace tidegate::upstream
