#include "pipeline/identity/authenticator.h"

#include <algorithm>

#include "base/strings.h"
#include "pipeline/identity/token.h"
#include "pipeline/identity/token_check.h"

namespace tidegate::pipeline {
namespace {

/// The fields that may carry a credential, and who says that a page asks, found in one pass.
struct Sent {
    std::optional<std::string_view> authorization;
    std::optional<std::string_view> api_key;
    bool repeated = false;
    bool by_a_page = false;
};

Sent sent_in(const http::Headers& headers) {
    constexpr std::string_view kAuthorization = "Authorization";
    constexpr std::string_view kApiKey = "X-API-Key";
    constexpr std::string_view kOrigin = "Origin";
    Sent sent;
    for (const auto& [name, value] : headers.fields()) {
        if (name.size() == kOrigin.size() && iequals(name, kOrigin)) sent.by_a_page = true;
        // The lengths tell nearly all other fields apart without a look at their letters.
        std::optional<std::string_view>* found = nullptr;
        if (name.size() == kAuthorization.size() && iequals(name, kAuthorization)) found = &sent.authorization;
        if (name.size() == kApiKey.size() && iequals(name, kApiKey)) found = &sent.api_key;
        if (found == nullptr) continue;
        sent.repeated = sent.repeated || found->has_value();
        *found = value;
    }
    return sent;
}

/// The credential of `Bearer <credential>` (RFC 6750, 2.1; the scheme's case does not count); empty when it is another scheme.
std::string_view bearer_of(std::string_view authorization) {
    constexpr std::string_view kScheme = "Bearer ";
    if (authorization.size() <= kScheme.size() || !iequals(authorization.substr(0, kScheme.size()), kScheme)) return {};
    return trim(authorization.substr(kScheme.size()));
}

/// The key of `Basic <base64 of name:key>` (RFC 7617), whatever the name: for tools that can send a key no other way than as
/// `http://name:key@host`. Empty when it is another scheme or holds no key.
std::string basic_key(std::string_view authorization) {
    constexpr std::string_view kScheme = "Basic ";
    if (authorization.size() <= kScheme.size() || !iequals(authorization.substr(0, kScheme.size()), kScheme)) return {};
    std::string text(trim(authorization.substr(kScheme.size())));
    while (text.ends_with('=')) text.pop_back();
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    const auto pair = decode_base64url(text);
    const std::size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos || !std::string_view(*pair).substr(colon + 1).starts_with(kKeyPrefix)) return {};
    return pair->substr(colon + 1);
}

}  // namespace

Authenticator::Authenticator(Identity& shared)
    : shared_(shared),
      checked_(keys_checked(shared.settings())),
      keys_(shared.keys()),
      addresses_(shared.address_salt(), shared.settings().ipv6_prefix_bits, shared.settings().addresses_max),
      tokens_(shared.settings().jwt.is_on() ? shared.settings().jwt.remembered_max : 0) {}

Authenticator::Outcome Authenticator::authenticate(const http::Headers& headers, std::string_view peer_address,
                                                   UnixMillis now) {
    Outcome outcome = decide(headers, peer_address, now);
    IdentityCounters& counters = shared_.counters();
    if (outcome.caller) {
        counters.accepted[static_cast<std::size_t>(outcome.caller->kind)].add();
    } else {
        counters.refused[static_cast<std::size_t>(outcome.refusal)].add();
    }
    return outcome;
}

bool Authenticator::may_use(const Caller& caller, std::span<const std::string> scopes_of_route) {
    if (caller.may_use_any(scopes_of_route)) return true;
    shared_.counters().forbidden.add();
    return false;
}

Authenticator::Outcome Authenticator::decide(const http::Headers& headers, std::string_view peer_address,
                                             UnixMillis now) {
    const Sent sent = checked_ ? sent_in(headers) : Sent{};
    if (sent.repeated) return {nullptr, Refusal::kMalformed};
    if (!sent.authorization && !sent.api_key) {
        if (shared_.keys_required()) return {nullptr, Refusal::kMissing};
        return {addresses_.find(peer_address), Refusal::kNone};
    }
    std::string_view credential;
    std::string from_basic;
    if (sent.authorization) {
        credential = bearer_of(*sent.authorization);
        // A browser that was once given Basic sends it with whatever any page makes it ask, and says `Origin` then. Tools do not.
        if (credential.empty() && !sent.by_a_page) credential = from_basic = basic_key(*sent.authorization);
        if (credential.empty()) return {nullptr, Refusal::kMalformed};
    }
    if (sent.api_key) {
        const std::string_view key = trim(*sent.api_key);
        if (sent.authorization && key != credential) return {nullptr, Refusal::kConflicting};
        credential = key;
    }
    return from_credential(credential, now);
}

Authenticator::Outcome Authenticator::from_credential(std::string_view text, UnixMillis now) {
    if (!text.starts_with(kKeyPrefix)) return from_token(text, now);
    const auto key = parse_key(text);
    if (!key) return {nullptr, Refusal::kMalformed};
    KeyIndex::Found found = keys_.current().find(*key, now);
    return {std::move(found.caller), found.refusal};
}

Authenticator::Outcome Authenticator::from_token(std::string_view text, UnixMillis now) {
    const JwtSettings& rules = shared_.settings().jwt;
    if (text.find('.') == std::string_view::npos) return {nullptr, Refusal::kMalformed};
    if (!rules.is_on()) return {nullptr, Refusal::kTokenOff};
    if (text.size() > rules.token_bytes_max) return {nullptr, Refusal::kMalformed};
    JwksSource& jwks = shared_.jwks();
    const std::uint64_t version = jwks.version();
    const Sha256 digest = sha256(text);
    if (const CallerPtr* known = tokens_.find(digest, version, now)) return {*known, Refusal::kNone};
    const auto token = parse_token(text, rules.token_bytes_max);
    if (!token) return {nullptr, Refusal::kMalformed};
    const std::shared_ptr<const TokenKeys> keys = jwks.keys();
    shared_.counters().tokens_verified.add();
    CheckedToken checked = check_token(rules, *token, keys.get(), now);
    if (checked.refusal == Refusal::kTokenKeys) {
        // With a set at hand and no newer one on its way, the token names a key that is nobody's.
        if (!jwks.want_key() && keys != nullptr) checked.refusal = Refusal::kTokenBad;
    }
    if (checked.refusal != Refusal::kNone) return {nullptr, checked.refusal};
    tokens_.keep(digest, version, checked.caller, checked.expires);
    return {std::move(checked.caller), Refusal::kNone};
}

}  // namespace tidegate::pipeline
