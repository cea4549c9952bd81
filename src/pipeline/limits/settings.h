// Settings of the limits: the rules and what is kept of each caller.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/identity/rate.h"
#include "pipeline/limits/loop_limiter.h"
#include "pipeline/limits/rules.h"
#include "settings/table.h"

namespace tidegate::limits {

/// One element of `limits.rules`.
struct RuleSettings {
    std::string name;
    std::string per;
    std::vector<std::string> families;
    std::vector<std::string> routes;
    std::string rate;
    bool shadow = false;
};

struct LimitsSettings {
    std::vector<RuleSettings> rules;
    std::uint32_t keys_max = 0;
    std::uint32_t lease_max = 0;
    Duration lease_hold{};
};

/// kInvalidArgument when the rate or what it counts per is ill formed; RuleSet::create() judges the rest.
inline Result<LimitRule> to_rule(const RuleSettings& s) {
    TG_TRY(const Per per, parse_per(s.per));
    TG_TRY(const Rate rate, pipeline::parse_rate(s.rate));
    return LimitRule{s.name, per, s.families, s.routes, rate, s.shadow};
}
inline Result<std::vector<LimitRule>> to_rules(const LimitsSettings& s) {
    std::vector<LimitRule> rules;
    for (const RuleSettings& rule : s.rules) {
        TG_TRY(LimitRule made, to_rule(rule));
        rules.push_back(std::move(made));
    }
    return rules;
}
inline LimiterOptions limiter_options(const LimitsSettings& s) {
    return {.keys_max = s.keys_max};
}
inline LeaseOptions lease_options(const LimitsSettings& s) {
    return {.lease_max = s.lease_max, .lease_hold = s.lease_hold};
}

inline void declare_rule(settings::Table& t, RuleSettings& s) {
    t.add("name", s.name, "").required().doc("1 to 32 of a-z, 0-9, `_`, `-`; shown in the RateLimit fields.");
    t.add("per", s.per, "key")
        .choices({"key", "address", "tenant", "route", "family", "all"})
        .doc("What is counted apart: each key, address or tenant; each route or family; or everything together.");
    t.add("families", s.families, {}).doc("Route families it applies to; empty: all.");
    t.add("routes", s.routes, {}).doc("Operations (as in the metrics) it applies to; empty: all.");
    t.add("rate", s.rate, "")
        .required()
        .check(pipeline::check_rate)
        .doc("COUNT/PERIOD, such as 100/1m or 10/s burst 20.");
    t.add("shadow", s.shadow, false).doc("Decide and count, and let the request pass.");
}

/// Continues the group `limits`, which http::declare opens: call it right after that one.
inline void declare(settings::Table& table, LimitsSettings& s) {
    using std::chrono::milliseconds;
    table.list("limits.rules", s.rules, declare_rule,
               "Rates of requests. Every rule that applies to a request has to allow it; one that denies costs the "
               "others nothing.",
               "name");
    table.add("limits.keys_max", s.keys_max, 262'144)
        .range(1024, 64 * 1024 * 1024)
        .unit("keys")
        .doc(
            "Keys of all rules that are counted at once, 32 to 64 bytes each; over it the one closest to rest is "
            "forgotten.");
    table.add("limits.lease_max", s.lease_max, 64)
        .range(0, 4096)
        .unit("requests")
        .doc("With Redis: permits of a busy key that an event loop takes ahead in one round trip; 0: none.");
    table.add("limits.lease_hold_ms", s.lease_hold, milliseconds(500))
        .range(milliseconds(20), std::chrono::minutes(1))
        .doc("With Redis: how long permits taken ahead are kept before they are given back.");
}

}  // namespace tidegate::limits
