#include "pipeline/limits/rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/hash.h"

namespace tidegate::limits {
namespace {

constexpr std::array<std::string_view, kPers> kPerNames{"key", "address", "tenant", "route", "family", "all"};
constexpr std::string_view kOwnName = "key";
// Of a rule that counts everything together.
constexpr std::uint64_t kEverybody = 1;

/// Mixes, rather than hashes, the numbers of a rate: the tag of a caller's own rate is made on the path of a request.
std::uint64_t tag_of(std::uint64_t name_hash, const Rate& rate) noexcept {
    std::uint64_t tag = mix64(name_hash ^ rate.count);
    tag = mix64(tag ^ static_cast<std::uint64_t>(rate.period.count()));
    return mix64(tag ^ rate.burst);
}

bool is_rule_name(std::string_view name) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, allowed);
}

bool names(const std::vector<std::string>& list, std::string_view name) {
    return list.empty() || std::ranges::find(list, name) != list.end();
}

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
    return fail(ErrorCode::kFailedValidation, fmt::format("limit rule `{}`: {}", name, why));
}

}  // namespace

std::string_view to_string(Per per) noexcept {
    return kPerNames[static_cast<std::size_t>(per)];
}

Result<Per> parse_per(std::string_view text) {
    const auto found = std::ranges::find(kPerNames, text);
    if (found == kPerNames.end()) {
        return fail(ErrorCode::kInvalidArgument, "a limit counts per key, address, tenant, route, family or all");
    }
    return static_cast<Per>(found - kPerNames.begin());
}

std::string policy_item(std::string_view name, const Rate& rate) {
    const auto window = std::chrono::ceil<std::chrono::seconds>(rate.period).count();
    // A rule's name needs no escape: see is_rule_name.
    return fmt::format("\"{}\";q={};w={}", name, rate.count, window);
}

Result<RuleSet> RuleSet::create(std::vector<LimitRule> rules) {
    if (rules.size() >= kOwnRule) return fail(ErrorCode::kFailedValidation, "too many limit rules");
    RuleSet set;
    for (const LimitRule& rule : rules) {
        if (!is_rule_name(rule.name)) return refuse(rule.name, "a name has 1 to 32 of a-z, 0-9, `_` and `-`");
        if (rule.name == kOwnName) return refuse(rule.name, "this name is that of a caller's own rate");
        if (std::ranges::count(rules, rule.name, &LimitRule::name) > 1)
            return refuse(rule.name, "the name is used twice");
        if (rule.rate.count == 0 || rule.rate.burst == 0 || rule.rate.period <= Duration::zero()) {
            return refuse(rule.name, "a rate of nothing");
        }
        const Gcra gcra = Gcra::of(rule.rate);
        if (gcra.capacity_ns / gcra.interval_ns != rule.rate.burst) {
            return refuse(rule.name, "its burst would take more than 200 years to come back");
        }
        set.ready_.push_back(
            {gcra, tag_of(pipeline::hash_of(rule.name), rule.rate), policy_item(rule.name, rule.rate)});
    }
    set.rules_ = std::move(rules);
    return set;
}

Result<RouteRules> RuleSet::of_route(std::string_view family, std::string_view route) const {
    RouteRules out;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const LimitRule& rule = rules_[i];
        if (!names(rule.families, family) || !names(rule.routes, route)) continue;
        std::uint64_t fixed = 0;
        if (rule.per == Per::kAll) fixed = kEverybody;
        if (rule.per == Per::kRoute) fixed = pipeline::hash_of(route) | 1U;
        if (rule.per == Per::kFamily) fixed = pipeline::hash_of(family) | 1U;
        out.applied_.push_back({static_cast<std::uint16_t>(i), fixed});
    }
    if (out.applied_.size() < kAsksMax) return out;
    return fail(ErrorCode::kFailedValidation,
                fmt::format("{} limit rules apply to `{}`; {} may", out.applied_.size(), route, kAsksMax - 1));
}

Asks RuleSet::asks(const RouteRules& route, const Subjects& subjects, const Rate* own) const noexcept {
    Asks out;
    for (const RouteRules::Applied& applied : route.applied_) {
        const LimitRule& rule = rules_[applied.rule];
        std::uint64_t subject = applied.fixed_subject;
        if (rule.per == Per::kKey) subject = subjects.key;
        if (rule.per == Per::kAddress) subject = subjects.address;
        if (rule.per == Per::kTenant) subject = subjects.tenant;
        if (subject == 0) continue;
        const Ready& ready = ready_[applied.rule];
        out.add({subject, ready.tag, ready.gcra, applied.rule, rule.shadow});
    }
    if (own != nullptr && own->count > 0 && subjects.key != 0) {
        out.add({subjects.key, tag_of(kOwnRule, *own), Gcra::of(*own), kOwnRule, false});
    }
    return out;
}

std::string_view RuleSet::name_of(std::uint16_t rule) const noexcept {
    return rule == kOwnRule ? kOwnName : std::string_view(rules_[rule].name);
}

}  // namespace tidegate::limits
