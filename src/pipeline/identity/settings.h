// Settings of identity: keys, tokens, other origins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "settings/table.h"

namespace tidegate::pipeline {

struct JwtSettings {
    settings::Secret secret;
    std::string jwks_file;
    std::string jwks_url;
    std::string jwks_ca_file;
    Duration jwks_refresh{};
    std::string issuer;
    std::string audience;
    Duration leeway{};
    std::string tenant_claim;
    std::vector<std::string> default_scopes;
    bool allow_admin = false;
    std::uint32_t token_bytes_max = 0;
    std::uint32_t remembered_max = 0;
    bool is_on() const noexcept { return secret.is_set() || !jwks_file.empty() || !jwks_url.empty(); }
};

struct CorsSettings {
    std::vector<std::string> allowed_origins;
    bool allow_credentials = false;
    std::vector<std::string> allowed_headers;
    std::vector<std::string> exposed_headers;
    Duration max_age{};
};

struct IdentitySettings {
    std::string required;
    settings::Secret address_salt;
    std::uint32_t ipv6_prefix_bits = 0;
    std::uint32_t addresses_max = 0;
    JwtSettings jwt;
    CorsSettings cors;
};

/// Settings that are sound one by one and not together; the reason names them.
Result<void> check(const IdentitySettings& s);
/// Must a request carry a key or token? `loopback_only`: no other machine can reach the listener.
bool keys_required(const IdentitySettings& s, bool loopback_only) noexcept;
/// Are credentials looked at at all?
bool keys_checked(const IdentitySettings& s) noexcept;

inline void declare_jwt(settings::Table& table, JwtSettings& s) {
    using std::chrono::minutes;
    using std::chrono::seconds;
    table.group("jwt", "Signed tokens as a second way in");
    table.add("jwt.secret", s.secret)
        .env_aliases({"JWT_SECRET"})
        .doc("Secret of HS256 tokens, 32 bytes or more; empty: none are taken.");
    table.add("jwt.jwks_file", s.jwks_file, "").doc("JSON file with the public RSA keys (JWKS) of RS256 tokens.");
    table.add("jwt.jwks_url", s.jwks_url, "")
        .doc(
            "Where the issuer's JWKS is fetched, `https://...`; with http:// whoever is on the way could forge tokens. "
            "Redirects are not followed.");
    table.add("jwt.jwks_ca_file", s.jwks_ca_file, "")
        .doc("PEM file with the authorities that the certificate of jwt.jwks_url must come from; empty: the system's.");
    table.add("jwt.jwks_refresh_s", s.jwks_refresh, minutes(15))
        .range(seconds(10), std::chrono::hours(24))
        .doc("How often the JWKS is read anew; an unknown key id asks for it earlier, once a minute at most.");
    table.add("jwt.issuer", s.issuer, "").doc("What a token's `iss` must be; empty: not looked at.");
    table.add("jwt.audience", s.audience, "")
        .doc("What a token's `aud` must name; empty: tokens that name an audience are refused.");
    table.add("jwt.leeway_s", s.leeway, seconds(30))
        .range(seconds(0), minutes(10))
        .doc("How far the issuer's clock may be off, for `exp` and `nbf`.");
    table.add("jwt.tenant_claim", s.tenant_claim, "tenant").doc("Claim that names the tenant; empty: none does.");
    table.add("jwt.default_scopes", s.default_scopes, {"*"})
        .doc("Scopes of a token that has neither `scope` nor `scopes`.");
    table.add("jwt.allow_admin", s.allow_admin, false).doc("Let a token with the scope `admin` be an administrator.");
    table.add("jwt.token_bytes_max", s.token_bytes_max, 8192)
        .range(256, 65536)
        .bytes()
        .doc("Longest token that is looked at.");
    table.add("jwt.remembered_max", s.remembered_max, 4096)
        .range(16, 1'000'000)
        .unit("tokens")
        .doc("Verified tokens that each event loop remembers until they expire.");
}

inline void declare_cors(settings::Table& table, CorsSettings& s) {
    table.group("cors", "Browsers of other origins");
    table.add("cors.allowed_origins", s.allowed_origins, {})
        .doc("Origins whose pages may read answers, as `https://app.example`; `*`: all; empty: none.");
    table.add("cors.allow_credentials", s.allow_credentials, false)
        .doc("Let pages send cookies and HTTP authentication; not together with the origin `*`.");
    table
        .add("cors.allowed_headers", s.allowed_headers,
             {"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Prefer", "X-API-Key",
              "X-Request-Id", "X-Trace", "traceparent", "tracestate"})
        .doc("Request fields that pages may set.");
    table
        .add("cors.exposed_headers", s.exposed_headers,
             {"Cache-Status", "ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing",
              "X-Cache", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id",
              "X-Spend-Cost", "X-Spend-Remaining"})
        .doc("Answer fields that pages may read.");
    table.add("cors.max_age_s", s.max_age, std::chrono::minutes(10))
        .range(std::chrono::seconds(0), std::chrono::hours(24))
        .doc("How long a browser may remember what it was allowed.");
}

inline void declare(settings::Table& table, IdentitySettings& s) {
    table.group("identity", "Who asks");
    table.add("identity.required", s.required, "auto")
        .choices({"auto", "always", "optional", "off"})
        .doc(
            "Who needs a key: `auto` everybody unless only this machine can reach the listener, `always` everybody, "
            "`optional` nobody (a key that is sent must be valid), `off` nobody (keys are not looked at).");
    table.add("identity.address_salt", s.address_salt)
        .doc(
            "Secret that callers' addresses are hashed with; set the same on servers that share limits. Empty: one "
            "made "
            "with the database.");
    table.add("identity.ipv6_prefix_bits", s.ipv6_prefix_bits, 64)
        .range(32, 128)
        .unit("bits")
        .doc("Callers without a key whose IPv6 addresses agree so far are one caller.");
    table.add("identity.addresses_max", s.addresses_max, 4096)
        .range(16, 1'000'000)
        .unit("addresses")
        .doc("Callers without a key that each event loop remembers.");
    declare_jwt(table, s.jwt);
    declare_cors(table, s.cors);
}

}  // namespace tidegate::pipeline
