#include "pipeline/identity/token_check.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/hash.h"
#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

constexpr std::size_t kTokenScopesMax = 64;
constexpr std::size_t kActorBytesMax = 200;  // What a Decision takes.
/// 31,688 years: far enough, and far from where a sum of milliseconds would overflow.
constexpr double kSecondsMax = 1e12;

CheckedToken refuse(Refusal refusal, const char* why) {
    return {.refusal = refusal, .caller = nullptr, .expires = 0, .why = why};
}

/// A NumericDate in milliseconds, cut to +-kSecondsMax; nothing when it is there and no number.
std::optional<UnixMillis> date_of(json::Value value) {
    if (!value.is_number()) return std::nullopt;
    const double seconds = value.as_double();
    if (!std::isfinite(seconds)) return std::nullopt;
    return static_cast<UnixMillis>(std::clamp(seconds, -kSecondsMax, kSecondsMax) * 1000);
}

/// Null when the times allow the token now; sets `expires`.
const char* check_times(json::Value claims, Duration leeway, UnixMillis now, UnixMillis& expires, bool& expired) {
    const UnixMillis slack = std::chrono::duration_cast<std::chrono::milliseconds>(leeway).count();
    const auto exp = claims.find("exp");
    if (!exp) return "`exp` is missing";
    const auto end = date_of(*exp);
    if (!end) return "`exp` is no number";
    if (const auto nbf = claims.find("nbf")) {
        const auto begin = date_of(*nbf);
        if (!begin) return "`nbf` is no number";
        if (now < *begin - slack) return "`nbf` has not come";
    }
    if (const auto iat = claims.find("iat"); iat && !iat->is_number()) return "`iat` is no number";
    expires = *end + slack;
    expired = now >= expires;
    return expired ? "`exp` has passed" : nullptr;
}

bool names(json::Value audience, std::string_view ours) {
    if (audience.kind() == json::Kind::kString) return audience.as_string() == ours;
    bool found = false;
    if (audience.kind() == json::Kind::kArray) {
        audience.each(
            [&](json::Value one) { found = found || (one.kind() == json::Kind::kString && one.as_string() == ours); });
    }
    return found;
}

/// Null when issuer and audience are ours.
const char* check_issuer(json::Value claims, const JwtSettings& rules) {
    const auto iss = claims.find("iss");
    if (iss && iss->kind() != json::Kind::kString) return "`iss` is no text";
    if (!rules.issuer.empty() && (!iss || iss->as_string() != rules.issuer)) return "`iss` is another issuer";
    const auto aud = claims.find("aud");
    // RFC 7519, 4.1.3: a token for named readers is refused by everybody else.
    if (rules.audience.empty()) return aud ? "`aud` names others" : nullptr;
    return aud && names(*aud, rules.audience) ? nullptr : "`aud` does not name us";
}

void take_scope(std::string_view scope, const JwtSettings& rules, Caller& caller) {
    // Words of other programs (URLs, capitals) are no scopes of ours.
    if (!is_scope(scope) || caller.scopes.size() >= kTokenScopesMax) return;
    if (scope == "admin" && !rules.allow_admin) return;
    caller.scopes.emplace_back(scope);
    caller.admin = caller.admin || scope == "admin";
}

bool take_scopes(json::Value claims, const JwtSettings& rules, Caller& caller) {
    auto claim = claims.find("scope");
    if (!claim) claim = claims.find("scopes");
    if (!claim) {
        for (const std::string& scope : rules.default_scopes) take_scope(scope, rules, caller);
        return true;
    }
    if (claim->kind() == json::Kind::kString) {
        for (const std::string_view scope : split(claim->as_string(), ' ')) take_scope(scope, rules, caller);
        return true;
    }
    if (claim->kind() != json::Kind::kArray) return false;
    bool texts = true;
    claim->each([&](json::Value scope) {
        texts = texts && scope.kind() == json::Kind::kString;
        if (texts) take_scope(scope.as_string(), rules, caller);
    });
    return texts;
}

/// `token:<issuer>|<subject>`; where a Decision has no room for that, a hash of it.
std::string actor_of(std::string_view issuer, std::string_view subject) {
    std::string name = std::string(issuer) + "|" + std::string(subject);
    if (name.size() > kActorBytesMax - 6) name = to_hex(sha256(name));
    return "token:" + name;
}

/// Null when the claims make a caller.
const char* take_caller(json::Value claims, const JwtSettings& rules, Caller& caller) {
    const auto sub = claims.find("sub");
    if (!sub || sub->kind() != json::Kind::kString || !is_name(sub->as_string())) {
        return "`sub` is no text of 1 to 128 bytes";
    }
    const auto iss = claims.find("iss");
    const std::string_view issuer = iss ? iss->as_string() : std::string_view();
    // With a `|` in the issuer two pairs of issuer and subject could make one actor.
    if (!issuer.empty() && (!is_name(issuer) || issuer.find('|') != std::string_view::npos)) return "`iss` is no name";
    caller.kind = Caller::Kind::kToken;
    caller.actor = actor_of(issuer, sub->as_string());
    caller.actor_hash = hash_of(caller.actor);
    if (const auto tenant = rules.tenant_claim.empty() ? std::nullopt : claims.find(rules.tenant_claim)) {
        if (tenant->kind() != json::Kind::kString || !is_name(tenant->as_string())) return "the tenant is no name";
        caller.tenant = tenant->as_string();
        caller.tenant_hash = hash_of(caller.tenant);
    }
    return take_scopes(claims, rules, caller) ? nullptr : "the scopes are no texts";
}

/// kNone when the signature is the key's.
CheckedToken check_signature(const JwtSettings& rules, const Token& token, const TokenKeys* keys) {
    if (token.algorithm == TokenAlgorithm::kHs256) {
        if (!rules.secret.is_set()) return refuse(Refusal::kTokenOff, "no secret for HS256 is set");
        const bool good = verify_hs256(rules.secret.reveal(), token.signed_, token.signature);
        return good ? CheckedToken{} : refuse(Refusal::kTokenBad, "the signature is wrong");
    }
    if (rules.jwks_file.empty() && rules.jwks_url.empty()) return refuse(Refusal::kTokenOff, "no JWKS is set");
    if (keys == nullptr) return refuse(Refusal::kTokenKeys, "there is no JWKS yet");
    if (!keys->has(token.key_id)) {
        // Without a `kid` a newer set would not help.
        if (token.key_id.empty()) return refuse(Refusal::kTokenBad, "`kid` is missing and there are several keys");
        return refuse(Refusal::kTokenKeys, "the key is not in the JWKS");
    }
    const bool good = keys->verify(token.key_id, token.signed_, token.signature);
    return good ? CheckedToken{} : refuse(Refusal::kTokenBad, "the signature is wrong");
}

}  // namespace

CheckedToken check_token(const JwtSettings& rules, const Token& token, const TokenKeys* keys, UnixMillis now) {
    if (CheckedToken refused = check_signature(rules, token, keys); refused.refusal != Refusal::kNone) return refused;
    const json::Value claims = token.claims.root();
    if (const char* why = check_issuer(claims, rules)) return refuse(Refusal::kTokenAudience, why);
    CheckedToken checked;
    bool expired = false;
    if (const char* why = check_times(claims, rules.leeway, now, checked.expires, expired)) {
        return refuse(expired ? Refusal::kExpired : Refusal::kTokenBad, why);
    }
    auto caller = std::make_shared<Caller>();
    if (const char* why = take_caller(claims, rules, *caller)) return refuse(Refusal::kTokenBad, why);
    caller->ends.store(checked.expires, std::memory_order_relaxed);
    checked.caller = std::move(caller);
    return checked;
}

}  // namespace tidegate::pipeline
