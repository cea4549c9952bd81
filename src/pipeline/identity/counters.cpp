#include "pipeline/identity/counters.h"

#include "pipeline/identity/caller.h"

namespace tidegate::pipeline {
namespace {

using observe::MetricType;
using observe::Samples;

double as_double(const observe::Counter& counter) {
    return static_cast<double>(counter.value());
}

void declare_one(observe::Registry& registry, std::string name, std::string help, std::string rises,
                 const observe::Counter& counter) {
    registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                      MetricType::kCounter, [&counter](Samples& out) { out.add({}, as_double(counter)); });
}

}  // namespace

std::string_view to_string(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::kNone:
            return "none";
        case Refusal::kMissing:
            return "missing";
        case Refusal::kMalformed:
            return "malformed";
        case Refusal::kConflicting:
            return "conflicting";
        case Refusal::kUnknown:
            return "unknown";
        case Refusal::kExpired:
            return "expired";
        case Refusal::kRevoked:
            return "revoked";
        case Refusal::kTokenOff:
            return "token_off";
        case Refusal::kTokenBad:
            return "token_bad";
        case Refusal::kTokenAudience:
            return "token_audience";
        case Refusal::kTokenKeys:
            return "token_keys";
    }
    return "none";
}

Error error_of(Refusal refusal) {
    if (refusal == Refusal::kMissing) {
        return {ErrorCode::kUnauthenticated,
                "This server asks for a key: send `Authorization: Bearer <key>` or `X-API-Key: <key>`."};
    }
    if (refusal == Refusal::kTokenKeys) {
        return {ErrorCode::kUnavailable, "The token cannot be checked at the moment; ask again."};
    }
    return {ErrorCode::kUnauthenticated, "The key or token is not valid."};
}

std::string_view challenge_of(Refusal refusal) noexcept {
    if (refusal == Refusal::kTokenKeys) return {};
    if (refusal == Refusal::kMissing) return R"(Bearer realm="tidegate")";
    return R"(Bearer realm="tidegate", error="invalid_token")";
}

void declare_metrics(observe::Registry& registry, const IdentityCounters& counters) {
    registry.callback(
        {.name = "tidegate_identity_accepted_total",
         .help = "Requests whose caller is known, by kind: anonymous, key, token.",
         .labels = {"kind"},
         .when_it_rises = "Requests come in."},
        MetricType::kCounter, [&counters](Samples& out) {
            for (const Caller::Kind kind : {Caller::Kind::kAnonymous, Caller::Kind::kKey, Caller::Kind::kToken}) {
                out.add({to_string(kind)}, as_double(counters.accepted[static_cast<std::size_t>(kind)]));
            }
        });
    registry.callback({.name = "tidegate_identity_refused_total",
                       .help = "Requests refused because their caller is not known, by reason.",
                       .labels = {"reason"},
                       .when_it_rises = "expired, revoked: a client was not told of its new key. unknown: somebody "
                                        "guesses. token_keys: the JWKS cannot be had."},
                      MetricType::kCounter, [&counters](Samples& out) {
                          for (std::size_t i = 1; i < kRefusals; ++i) {
                              out.add({to_string(static_cast<Refusal>(i))}, as_double(counters.refused[i]));
                          }
                      });
    declare_one(registry, "tidegate_identity_forbidden_total",
                "Requests refused because their caller lacks a scope that the route asks for.",
                "A key has fewer scopes than its client needs, or somebody tries doors.", counters.forbidden);
    declare_one(
        registry, "tidegate_identity_streams_cut_total",
        "Streams and tunnels ended because their key was revoked, or their key or token expired, while they ran.",
        "Keys in use are revoked, or tokens live shorter than streams.", counters.streams_cut);
    declare_one(registry, "tidegate_identity_tokens_verified_total", "Token signatures checked.",
                "Many more than there are new tokens: raise jwt.remembered_max, or somebody sends invalid ones.",
                counters.tokens_verified);
    declare_one(registry, "tidegate_identity_key_reloads_total", "Times the keys in memory were replaced.",
                "Keys are made, rotated or revoked.", counters.key_reloads);
    declare_one(registry, "tidegate_identity_key_store_failures_total",
                "Times the key table could not be read or written; the keys known stay valid.",
                "Look at the disk: a revocation by the command line is not seen meanwhile.",
                counters.key_store_failures);
    declare_one(registry, "tidegate_identity_jwks_read_total", "Times the issuer's keys were read.",
                "Every jwt.jwks_refresh_s, and when a token names a new key.", counters.jwks_read);
    declare_one(registry, "tidegate_identity_jwks_failures_total",
                "Times the issuer's keys could not be had; the former ones stay.", "Look at /health for the reason.",
                counters.jwks_failures);
}

}  // namespace tidegate::pipeline
