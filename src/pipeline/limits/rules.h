// RuleSet: the limits of the settings, and which of them apply to a request.
//
// Guarantee   Immutable once made. A rule applies to a request when the request is of one of its families and routes (none
//             named: all) and has what the rule counts by. At most kAsksMax - 1 rules apply to one route.
// Threads     Any, after create().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pipeline/limits/verdict.h"

namespace tidegate::limits {

/// What a rule counts by.
enum class Per : std::uint8_t { kKey, kAddress, kTenant, kRoute, kFamily, kAll };
inline constexpr std::size_t kPers = 6;
/// `key`, `address`, `tenant`, `route`, `family`, `all`.
std::string_view to_string(Per per) noexcept;
Result<Per> parse_per(std::string_view text);

struct LimitRule {
    std::string name;  // 1 to 32 of a-z, 0-9, `_`, `-`: goes into header fields and Redis keys.
    Per per = Per::kKey;
    std::vector<std::string> families;  // Empty: all.
    std::vector<std::string> routes;    // Operation names; empty: all.
    Rate rate;
    bool shadow = false;
};

/// Whom a request counts for: 64-bit hashes that are equal on every server (pipeline::hash_of). 0: it has none, and rules
/// that count by it do not apply.
struct Subjects {
    std::uint64_t key = 0;  // The caller's actor_hash, of a key or a token.
    std::uint64_t address = 0;
    std::uint64_t tenant = 0;
};

/// The rules of one route, made once at start.
class RouteRules {
  private:
    friend class RuleSet;
    struct Applied {
        std::uint16_t rule;
        std::uint64_t fixed_subject;  // Of rules per route, per family and for all; else 0.
    };
    std::vector<Applied> applied_;
};

/// `"name";q=100;w=60`: count and period in seconds, rounded up.
std::string policy_item(std::string_view name, const Rate& rate);

class RuleSet {
  public:
    /// kFailedValidation names the rule and what is wrong: a name twice or ill formed, a rate of nothing.
    static Result<RuleSet> create(std::vector<LimitRule> rules);

    /// kFailedValidation when more than kAsksMax - 1 rules apply.
    Result<RouteRules> of_route(std::string_view family, std::string_view route) const;
    /// What a request of such a route asks for; `own` is the caller's own rate, null for none, counted by subjects.key.
    Asks asks(const RouteRules& route, const Subjects& subjects, const Rate* own) const noexcept;

    const std::vector<LimitRule>& rules() const noexcept { return rules_; }
    /// Of a Standing; the caller's own rate is called `key`, a name that no rule may have.
    std::string_view name_of(std::uint16_t rule) const noexcept;
    /// Its item of the RateLimit-Policy field, made once: `"name";q=100;w=60`. Not of the caller's own rate.
    std::string_view policy_of(std::uint16_t rule) const noexcept { return ready_[rule].policy; }

  private:
    struct Ready {
        Gcra gcra;
        std::uint64_t tag;
        std::string policy;
    };
    std::vector<LimitRule> rules_;
    std::vector<Ready> ready_;
};

}  // namespace tidegate::limits
