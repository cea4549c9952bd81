#include "pipeline/upstream/outcome.h"

#include <array>

namespace tidegate::upstream {

std::string_view to_string(Outcome outcome) noexcept {
    static constexpr std::array<std::string_view, kOutcomes> kNames{
        "success",         "client_error", "request_timeout", "throttled",   "server_error", "gateway_error",
        "connect_failure", "timeout",      "reset",           "client_gone", "local"};
    return kNames[static_cast<std::size_t>(outcome)];
}

Outcome outcome_of_status(int status) noexcept {
    if (status < 400) return Outcome::kSuccess;
    if (status == 408) return Outcome::kRequestTimeout;
    if (status == 429) return Outcome::kThrottled;
    if (status < 500) return Outcome::kClientError;
    if (status >= 502 && status <= 504) return Outcome::kGatewayError;
    // 501 and 505 refuse the method or the version: the request's fault.
    if (status == 501 || status == 505) return Outcome::kSuccess;
    return Outcome::kServerError;
}

Outcome outcome_of(const http::CallFailure& failure) noexcept {
    using Kind = http::CallFailure::Kind;
    switch (failure.kind) {
        case Kind::kResolve:
        case Kind::kRefused:
        case Kind::kTls:
        case Kind::kForbidden:
            return Outcome::kConnectFailure;
        case Kind::kTimeout:
            return failure.stage == http::CallFailure::Stage::kConnect ? Outcome::kConnectFailure : Outcome::kTimeout;
        case Kind::kReset:
            return failure.stage == http::CallFailure::Stage::kConnect ? Outcome::kConnectFailure : Outcome::kReset;
        case Kind::kProtocol:
            return Outcome::kReset;
        case Kind::kPoolFull:
        case Kind::kInvalidRequest:
            return Outcome::kLocal;
        case Kind::kCancelled:
            return Outcome::kClientGone;
    }
    return Outcome::kReset;
}

bool is_failure(Outcome outcome) noexcept {
    return outcome == Outcome::kServerError || is_gateway_failure(outcome);
}

bool is_gateway_failure(Outcome outcome) noexcept {
    return outcome == Outcome::kGatewayError || outcome == Outcome::kConnectFailure || outcome == Outcome::kTimeout ||
           outcome == Outcome::kReset;
}

bool is_neutral(Outcome outcome) noexcept {
    return outcome == Outcome::kClientGone || outcome == Outcome::kLocal;
}

}  // namespace tidegate::upstream
