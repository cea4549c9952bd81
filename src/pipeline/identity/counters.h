// IdentityCounters: who was let in and who was not, and why; the words of a refusal.
//
// Threads     Everything from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "observe/metrics.h"

namespace tidegate::pipeline {

/// Why a request has no caller. The client is told three things only: nothing sent, not valid, ask again later.
enum class Refusal : std::uint8_t {
    kNone,
    kMissing,        // Nothing was sent and keys are required.
    kMalformed,      // Not a key or token by its form, or a field sent twice.
    kConflicting,    // Two fields with different credentials.
    kUnknown,        // No such key, or a wrong secret.
    kExpired,        // A key or token that worked until then.
    kRevoked,        // A key that was revoked.
    kTokenOff,       // A token, and no way to check tokens is set up.
    kTokenBad,       // Signature, algorithm, or a claim that is not as it must be.
    kTokenAudience,  // Issuer or audience are not ours.
    kTokenKeys,      // The issuer's keys are not here (yet): 503.
};
inline constexpr std::size_t kRefusals = 11;
/// `missing`, `malformed`, ...: label of a counter.
std::string_view to_string(Refusal refusal) noexcept;
/// 401 (503 for kTokenKeys) with words that do not tell one invalid credential from another.
Error error_of(Refusal refusal);
/// The value of `WWW-Authenticate` for a 401 of this reason (RFC 6750, section 3); empty for a 503.
std::string_view challenge_of(Refusal refusal) noexcept;
/// The same for a 403: known, and the route asks for another scope.
inline constexpr std::string_view kChallengeScope = R"(Bearer realm="tidegate", error="insufficient_scope")";

struct IdentityCounters {
    std::array<observe::Counter, 3> accepted;         // By Caller::Kind.
    std::array<observe::Counter, kRefusals> refused;  // By Refusal; [0] stays 0.
    observe::Counter forbidden;                       // Known, and without a scope the route asks for.
    observe::Counter streams_cut;                     // Ended because their key or token was good no more.
    observe::Counter tokens_verified;     // Signatures checked: the tokens not found in the memory of tokens.
    observe::Counter key_reloads;         // The index of keys was replaced.
    observe::Counter key_store_failures;  // The key table could not be read or written; the keys known stay valid.
    observe::Counter jwks_read;
    observe::Counter jwks_failures;  // The set could not be had or read; the former one stays.
};

/// Declares `tidegate_identity_*`; `counters` outlives the registry.
void declare_metrics(observe::Registry& registry, const IdentityCounters& counters);

}  // namespace tidegate::pipeline
