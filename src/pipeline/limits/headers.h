// The header fields of a verdict: what a caller may still send, and when.
//
// Use         `render(verdict, rules)`, then each field that is not empty under its name below.
// Meaning     q, `X-RateLimit-Limit`: requests a period (`w` seconds) of the rule. r, `X-RateLimit-Remaining`: permits left at
//             this instant, at most q. t, `X-RateLimit-Reset`: seconds, rounded up, until all are back; with none left until
//             there is one. RateLimit and RateLimit-Policy name every rule that applied (draft-ietf-httpapi-ratelimit-headers,
//             structured fields), the triple the tightest only. Rules in shadow are not shown.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/limits/rules.h"
#include "pipeline/limits/verdict.h"

namespace tidegate::limits {

struct LimitFields {
    static constexpr std::string_view kPolicy = "RateLimit-Policy";
    static constexpr std::string_view kRateLimit = "RateLimit";
    static constexpr std::string_view kLimit = "X-RateLimit-Limit";
    static constexpr std::string_view kRemaining = "X-RateLimit-Remaining";
    static constexpr std::string_view kReset = "X-RateLimit-Reset";
    static constexpr std::string_view kRetryAfter = "Retry-After";

    std::string policy;      // `"burst";q=100;w=60, "day";q=5000;w=86400`
    std::string rate_limit;  // `"burst";r=50;t=30, "day";r=4000;t=17280`
    std::string limit;
    std::string remaining;
    std::string reset;
    std::string retry_after;  // Whole seconds, at least 1; empty unless denied.
};

/// `own`: the caller's own rate, when one was asked for; null otherwise.
LimitFields render(const Verdict& verdict, const RuleSet& rules, const Rate* own);

}  // namespace tidegate::limits
