#include "pipeline/identity/settings.h"

#include <algorithm>

#include "pipeline/identity/caller.h"
#include "pipeline/identity/cors.h"

namespace tidegate::pipeline {
namespace {

std::unexpected<Error> bad_setting(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> check_jwt(const JwtSettings& s) {
    // RFC 7518, 3.2: a key of the size of the hash or larger. A shorter one can be guessed from one token.
    if (s.secret.is_set() && s.secret.reveal().size() < 32) {
        return bad_setting("jwt.secret is shorter than 32 bytes: whoever sees one token could find it by trying");
    }
    if (!s.jwks_file.empty() && !s.jwks_url.empty()) return bad_setting("set jwt.jwks_file or jwt.jwks_url, not both");
    if (!s.jwks_url.empty()) {
        if (!s.jwks_url.starts_with("https://") && !s.jwks_url.starts_with("http://")) {
            return bad_setting("jwt.jwks_url must begin with https:// (or http:// within a network you trust)");
        }
        if (s.issuer.empty() || s.audience.empty()) {
            return bad_setting(
                "jwt.jwks_url needs jwt.issuer and jwt.audience: its keys sign tokens for other services too");
        }
    }
    if (!s.jwks_ca_file.empty() && s.jwks_url.empty()) return bad_setting("jwt.jwks_ca_file needs jwt.jwks_url");
    for (const std::string& scope : s.default_scopes) {
        if (!is_scope(scope)) return bad_setting("jwt.default_scopes: `" + scope + "` is no scope");
        if (scope == "admin")
            return bad_setting("jwt.default_scopes must not hold `admin`: a token has to name it itself");
    }
    return {};
}

}  // namespace

Result<void> check(const IdentitySettings& s) {
    TG_CHECK(check_jwt(s.jwt));
    if (s.address_salt.is_set() && s.address_salt.reveal().size() < 16) {
        return bad_setting("identity.address_salt is shorter than 16 bytes: addresses could be found by trying");
    }
    TG_CHECK(Cors::create(s.cors));
    return {};
}

bool keys_required(const IdentitySettings& s, bool loopback_only) noexcept {
    return s.required == "always" || (s.required == "auto" && !loopback_only);
}

bool keys_checked(const IdentitySettings& s) noexcept {
    return s.required != "off";
}

}  // namespace tidegate::pipeline
