#include "pipeline/limits/headers.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace tidegate::limits {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t seconds_up(std::int64_t ns) {
    return ns / kSecond + (ns % kSecond > 0 ? 1 : 0);
}

const Rate* rate_of(const Standing& standing, const RuleSet& rules, const Rate* own) {
    return standing.rule == kOwnRule ? own : &rules.rules()[standing.rule].rate;
}

std::int64_t shown(const Standing& standing, const Rate& rate) {
    return std::min<std::int64_t>(standing.remaining(), rate.count);
}

}  // namespace

LimitFields render(const Verdict& verdict, const RuleSet& rules, const Rate* own) {
    LimitFields out;
    for (const Standing& standing : verdict.all()) {
        const Rate* rate = rate_of(standing, rules, own);
        if (standing.shadow || rate == nullptr) continue;
        const std::string_view between = out.policy.empty() ? "" : ", ";
        // A rule's name needs no escape (rules.h).
        const std::string_view name = rules.name_of(standing.rule);
        fmt::format_to(std::back_inserter(out.policy), "{}\"{}\";q={};w={}", between, name, rate->count,
                       seconds_up(rate->period.count()));
        fmt::format_to(std::back_inserter(out.rate_limit), "{}\"{}\";r={};t={}", between, name, shown(standing, *rate),
                       seconds_up(standing.reset_ns()));
    }
    const Standing* tightest = verdict.tightest();
    const Rate* rate = tightest == nullptr ? nullptr : rate_of(*tightest, rules, own);
    if (rate == nullptr) return out;
    out.limit = std::to_string(rate->count);
    out.remaining = std::to_string(shown(*tightest, *rate));
    out.reset = std::to_string(seconds_up(tightest->reset_ns()));
    if (verdict.answer == Answer::kDenied) {
        out.retry_after = std::to_string(std::max<std::int64_t>(seconds_up(verdict.retry_after_ns()), 1));
    }
    return out;
}

}  // namespace tidegate::limits
