// Authenticator: from a request's fields and address to its Caller, on the loop.
//
// Position    The stage `identity` of the pipeline asks it first. It reads `Authorization: Bearer <key or token>` and
//             `X-API-Key: <key>` (or a key as the password of Basic, for tools that know no other way), and gives an anonymous caller where no key is required.
// Guarantee   A key that is known, a token seen before and an address seen before cost no allocation and no lock. A credential
//             that is sent is never ignored: an invalid one is refused where an absent one would be let in.
// Memory      Bounded tables of addresses and verified tokens (settings): some 150 bytes an entry beside its Caller.
// Threads     One Authenticator a loop; that loop's thread.
#pragma once

#include <string_view>

#include "http/message.h"
#include "pipeline/identity/address_callers.h"
#include "pipeline/identity/identity.h"
#include "pipeline/identity/token_memory.h"

namespace tidegate::pipeline {

class Authenticator {
  public:
    struct Outcome {
        CallerPtr caller;  // Null when refused.
        Refusal refusal = Refusal::kNone;
    };

    explicit Authenticator(Identity& shared);

    /// `now`: civil time, for ends of keys and tokens. Counts what it decides.
    Outcome authenticate(const http::Headers& headers, std::string_view peer_address, UnixMillis now);
    /// The caller of an address, on a route where nobody is asked for a key.
    const CallerPtr& anonymous(std::string_view peer_address) { return addresses_.find(peer_address); }
    /// May this caller use a route of these scopes? Counts a no.
    bool may_use(const Caller& caller, std::span<const std::string> scopes_of_route);

  private:
    Outcome decide(const http::Headers& headers, std::string_view peer_address, UnixMillis now);
    Outcome from_credential(std::string_view text, UnixMillis now);
    Outcome from_token(std::string_view text, UnixMillis now);

    Identity& shared_;
    const bool checked_;
    KeyReader keys_;
    AddressCallers addresses_;
    TokenMemory tokens_;
};

}  // namespace tidegate::pipeline
