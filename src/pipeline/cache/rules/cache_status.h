// Cache-Status (RFC 9211) and its plain twin X-Cache.
//
// Memory      Appends to a string of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"
#include "pipeline/cache/rules/policy.h"

namespace tidegate::cache::rules {

enum class Forward : std::uint8_t { kNone, kBypass, kMethod, kUriMiss, kVaryMiss, kMiss, kRequest, kStale, kPartial };

struct CacheStatus {
    std::string_view cache = "tidegate";  // A token.
    bool hit = false;
    Forward forward = Forward::kNone;
    int forward_status = 0;  // 0: not said.
    Seconds ttl_s = 0;       // Said when has_ttl.
    bool has_ttl = false;
    bool stored = false;
    bool collapsed = false;
    std::string_view key;     // For privileged callers; empty: not said. Left out when it cannot be written.
    std::string_view detail;  // A token or text; empty: not said.
};
/// `tidegate; hit; ttl=376`.
void append_cache_status(const CacheStatus& status, std::string& out);

/// Adds ours after what upstream caches said; what they said is dropped when it is no valid list.
void add_cache_status(const CacheStatus& status, http::Headers& response);

enum class XCache : std::uint8_t { kHit, kMiss, kStale, kRevalidated, kBypass, kCoalesced };
std::string_view to_string(XCache word) noexcept;

}  // namespace tidegate::cache::rules
