// Outcome: what became of one call to an upstream, as seen by breaker, ejection, retries and admission.
//
// Guarantee   Every way a call can end is exactly one of these. What the client caused or what we refused ourselves says
//             nothing about the upstream: it is neutral.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/client/client.h"

namespace tidegate::upstream {

enum class Outcome : std::uint8_t {
    kSuccess,         // 1xx to 3xx, and 501 and 505, which speak of the request.
    kClientError,     // 4xx except 408 and 429: the upstream works.
    kRequestTimeout,  // 408.
    kThrottled,       // 429: slow down, which is not broken.
    kServerError,     // 5xx except those named otherwise.
    kGatewayError,    // 502, 503, 504.
    kConnectFailure,  // No name, refused, no TLS, or not connected in time.
    kTimeout,         // Connected, and too late.
    kReset,           // Broken off, or bytes that are not HTTP.
    kClientGone,      // Our client left; neutral.
    kLocal,           // Our own limit ended it; neutral.
};
inline constexpr std::size_t kOutcomes = 11;

/// `success`, `client_error`, ...: for labels and logs.
std::string_view to_string(Outcome outcome) noexcept;
Outcome outcome_of_status(int status) noexcept;
Outcome outcome_of(const http::CallFailure& failure) noexcept;

/// The upstream could not serve: 5xx, connect, timeout, reset. Never 408 or 429, which are policy.
bool is_failure(Outcome outcome) noexcept;
/// The share of those that says the target itself is not there: 502 to 504, connect, timeout, reset.
bool is_gateway_failure(Outcome outcome) noexcept;
bool is_neutral(Outcome outcome) noexcept;

}  // namespace tidegate::upstream
