#include "pipeline/limits/headers.h"

#include <algorithm>
#include <array>
#include <charconv>

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

void append_number(std::string& out, std::int64_t number) {
    std::array<char, 20> digits;
    out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

/// `"name";r=50;t=30`
void append_item(std::string& out, std::string_view name, std::int64_t remaining, std::int64_t reset_s) {
    if (!out.empty()) out.append(", ");
    out.append("\"").append(name).append("\";r=");
    append_number(out, remaining);
    out.append(";t=");
    append_number(out, reset_s);
}

}  // namespace

LimitFields render(const Verdict& verdict, const RuleSet& rules, const Rate* own) {
    LimitFields out;
    // As long as the items of three rules usually are: one allocation each.
    out.policy.reserve(128);
    out.rate_limit.reserve(128);
    for (const Standing& standing : verdict.all()) {
        const Rate* rate = rate_of(standing, rules, own);
        if (standing.shadow || rate == nullptr) continue;
        const std::string_view name = rules.name_of(standing.rule);
        if (!out.policy.empty()) out.policy.append(", ");
        if (standing.rule == kOwnRule) {
            out.policy.append(policy_item(name, *rate));
        } else {
            out.policy.append(rules.policy_of(standing.rule));
        }
        append_item(out.rate_limit, name, shown(standing, *rate), seconds_up(standing.reset_ns()));
    }
    const Standing* tightest = verdict.tightest();
    const Rate* rate = tightest == nullptr ? nullptr : rate_of(*tightest, rules, own);
    if (rate == nullptr) return out;
    append_number(out.limit, rate->count);
    append_number(out.remaining, shown(*tightest, *rate));
    append_number(out.reset, seconds_up(tightest->reset_ns()));
    if (verdict.answer == Answer::kDenied) {
        append_number(out.retry_after, std::max<std::int64_t>(seconds_up(verdict.retry_after_ns()), 1));
    }
    return out;
}

}  // namespace tidegate::limits
