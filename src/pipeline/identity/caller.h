// Caller: who asks. Made from a key, a token or an address, never from what the body says.
//
// Threads     Immutable once made; shared by every request of the same caller. What may change at any moment (revoked, ends)
//             is atomic: a stream under way sees a revocation, and a rotation that gives its key an end.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/points.h"
#include "base/result.h"

namespace tidegate::pipeline {

/// So many requests a period, with `burst` at once; GCRA's emission interval is period / count.
struct Rate {
    std::uint32_t count = 0;
    Duration period{};
    std::uint32_t burst = 0;  // At least 1; how many may come at one instant.
    friend bool operator==(const Rate&, const Rate&) = default;
};

struct Caller {
    enum class Kind : std::uint8_t { kAnonymous, kKey, kToken };
    Kind kind = Kind::kAnonymous;
    std::string actor;  // `key:<family>`, `token:<issuer>|<subject>`, `address:<hash of it>`: goes into every Decision.
    std::string tenant;            // Empty: none.
    std::uint64_t actor_hash = 0;  // Of `actor`, for tables of limits and spend.
    std::uint64_t tenant_hash = 0;
    std::vector<std::string> scopes;  // Route families and `admin`; `*` lets in everywhere but admin.
    bool admin = false;
    std::optional<Rate> rate;          // Of this key, beside the rules of the settings.
    std::optional<Points> daily_cap;   // Of this key; absent: the settings'.
    std::atomic<bool> revoked{false};  // A key revoked while requests of it are under way.
    /// From then on the key or token is good no more (`exp` with its leeway, expiry, end of a rotation's overlap).
    std::atomic<UnixMillis> ends{std::numeric_limits<UnixMillis>::max()};

    /// `scope` is a route's: `provenance`, `provenance:read`, `admin`. A family lets in to all of its parts; an admin goes
    /// everywhere.
    bool may_use(std::string_view scope) const noexcept;
    /// Any of a route's scopes is enough; a route without scopes is open to everybody.
    bool may_use_any(std::span<const std::string> scopes_of_route) const noexcept;
};
using CallerPtr = std::shared_ptr<const Caller>;

/// `anonymous`, `key`, `token`.
std::string_view to_string(Caller::Kind kind) noexcept;
/// First 8 bytes of SHA-256: equal on every server, so that they can share limits.
std::uint64_t hash_of(std::string_view actor_or_tenant);
/// A scope as a key may carry it: 1 to 64 of a-z, 0-9, `_`, `-`, `.`, `:`; or `*`.
bool is_scope(std::string_view text) noexcept;
/// 1 to 128 bytes of UTF-8 without control characters; what a tenant's or a key's name may be.
bool is_name(std::string_view text) noexcept;

}  // namespace tidegate::pipeline
