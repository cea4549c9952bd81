#include "pipeline/cache/rules/cache_status.h"

#include <array>

#include "pipeline/cache/rules/structured_field.h"

namespace tidegate::cache::rules {
namespace {

/// RFC 9211, 2.2.
constexpr std::array<std::string_view, 9> kForwardWords{"",     "bypass",  "method", "uri-miss", "vary-miss",
                                                        "miss", "request", "stale",  "partial"};
constexpr std::array<std::string_view, 6> kXCacheWords{"HIT", "MISS", "STALE", "REVALIDATED", "BYPASS", "COALESCED"};

/// `; name=value` as a token or a string; nothing when the value cannot be written.
void append_text(std::string_view name, std::string_view value, std::string& out) {
    if (value.empty()) return;
    const std::size_t before = out.size();
    out += "; ";
    out += name;
    out.push_back('=');
    if (name == "detail" && sf::is_token(value)) {
        out += value;
    } else if (!sf::append_string(value, out)) {
        out.resize(before);
    }
}

}  // namespace

void append_cache_status(const CacheStatus& status, std::string& out) {
    out += status.cache;
    if (status.hit) {
        out += "; hit";
    } else if (status.forward != Forward::kNone) {
        out += "; fwd=";
        out += kForwardWords[static_cast<std::size_t>(status.forward)];
        if (status.forward_status != 0) out += "; fwd-status=" + std::to_string(status.forward_status);
        if (status.stored) out += "; stored";
        if (status.collapsed) out += "; collapsed";
    }
    if (status.has_ttl) out += "; ttl=" + std::to_string(status.ttl_s);
    append_text("key", status.key, out);
    append_text("detail", status.detail, out);
}

void add_cache_status(const CacheStatus& status, http::Headers& response) {
    if (response.get("cache-status") && !sf::parse_list(sf::joined(response, "cache-status"))) {
        response.remove("Cache-Status");
    }
    thread_local std::string ours;
    ours.clear();
    append_cache_status(status, ours);
    response.add("Cache-Status", ours);
}

std::string_view to_string(XCache word) noexcept {
    return kXCacheWords[static_cast<std::size_t>(word)];
}

}  // namespace tidegate::cache::rules
