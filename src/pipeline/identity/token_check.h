// token_check: may this token be believed, and who is its caller?
//
// Guarantee   RFC 7519 and the advice of RFC 8725: the algorithm is pinned by the key (HS256 with the secret of the settings only,
//             RS256 with the issuer's RSA keys only), the signature is checked before any claim is believed, `exp` must be
//             there and be a number, `nbf`, `iss` and `aud` as the settings say. Claims: `sub` makes the actor, the tenant claim
//             the tenant, `scope` (words) or `scopes` (list or words) the scopes.
// Threads     Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "pipeline/identity/caller.h"
#include "pipeline/identity/counters.h"
#include "pipeline/identity/settings.h"
#include "pipeline/identity/token.h"
#include "pipeline/identity/token_keys.h"

namespace tidegate::pipeline {

struct CheckedToken {
    Refusal refusal = Refusal::kNone;
    CallerPtr caller;        // Null when refused.
    UnixMillis expires = 0;  // With the leeway.
    const char* why = "";    // Of a refusal; for tests and the log at debug level.
};

/// Signature and claims of a token. `keys` may be null: no set yet. kTokenKeys: its key is not in the set.
CheckedToken check_token(const JwtSettings& rules, const Token& token, const TokenKeys* keys, UnixMillis now);

}  // namespace tidegate::pipeline
