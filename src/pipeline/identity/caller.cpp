#include "pipeline/identity/caller.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/utf8.h"

namespace tidegate::pipeline {
namespace {

bool is_scope_char(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':';
}

/// `provenance` covers `provenance` and `provenance:read`, not `provenance2`.
bool covers(std::string_view granted, std::string_view asked) noexcept {
    if (!asked.starts_with(granted)) return false;
    return asked.size() == granted.size() || asked[granted.size()] == ':';
}

}  // namespace

bool Caller::may_use(std::string_view scope) const noexcept {
    if (admin) return true;
    if (scope == "admin" || scope.starts_with("admin:")) return false;
    return std::ranges::any_of(
        scopes, [scope](const std::string& granted) { return granted == "*" || covers(granted, scope); });
}

bool Caller::may_use_any(std::span<const std::string> scopes_of_route) const noexcept {
    return scopes_of_route.empty() ||
           std::ranges::any_of(scopes_of_route, [this](const std::string& scope) { return may_use(scope); });
}

std::string_view to_string(Caller::Kind kind) noexcept {
    switch (kind) {
        case Caller::Kind::kAnonymous:
            return "anonymous";
        case Caller::Kind::kKey:
            return "key";
        case Caller::Kind::kToken:
            return "token";
    }
    return "anonymous";
}

std::uint64_t hash_of(std::string_view actor_or_tenant) {
    const Sha256 digest = sha256(actor_or_tenant);
    std::uint64_t hash = 0;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
}

bool is_scope(std::string_view text) noexcept {
    if (text == "*") return true;
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, is_scope_char);
}

bool is_name(std::string_view text) noexcept {
    if (text.empty() || text.size() > 128 || !utf8::is_valid(text)) return false;
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace tidegate::pipeline
