#include "pipeline/identity/rate.h"

#include <fmt/core.h>

#include <array>
#include <limits>

#include "base/strings.h"

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;

struct Unit {
    std::string_view symbol;
    Duration size;
};
// `ms` before the endings it contains.
constexpr std::array<Unit, 5> kUnits{{{"ms", 1ms}, {"d", 24h}, {"h", 1h}, {"m", 1min}, {"s", 1s}}};
constexpr Duration kPeriodMax = 24h * 366;

std::unexpected<Error> refuse(std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("a rate is {}; {}", kRateForm, why));
}

std::optional<std::uint32_t> parse_count(std::string_view text) {
    const auto count = parse_u64(text);
    if (!count || *count == 0 || *count > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return static_cast<std::uint32_t>(*count);
}

std::optional<Duration> parse_period(std::string_view text) {
    for (const Unit& unit : kUnits) {
        if (!text.ends_with(unit.symbol)) continue;
        text.remove_suffix(unit.symbol.size());
        if (text.empty()) return unit.size;
        const auto count = parse_u64(text);
        const auto most = static_cast<std::uint64_t>(kPeriodMax / unit.size);
        if (!count || *count == 0 || *count > most) return std::nullopt;
        return static_cast<std::int64_t>(*count) * unit.size;
    }
    return std::nullopt;
}

}  // namespace

Result<Rate> parse_rate(std::string_view text) {
    constexpr std::string_view kBurst = " burst ";
    const std::size_t burst_at = text.find(kBurst);
    const std::string_view rate = text.substr(0, burst_at);
    const std::size_t slash = rate.find('/');
    if (slash == std::string_view::npos) return refuse("there is no `/`");
    const auto count = parse_count(rate.substr(0, slash));
    if (!count) return refuse("the count is a whole number from 1 to 4294967295");
    const auto period = parse_period(rate.substr(slash + 1));
    if (!period) return refuse("the period is in whole ms, s, m, h or d and at most 366d");
    auto burst = count;
    if (burst_at != std::string_view::npos) burst = parse_count(text.substr(burst_at + kBurst.size()));
    if (!burst) return refuse("the burst is a whole number from 1 to 4294967295");
    return Rate{.count = *count, .period = *period, .burst = *burst};
}

Result<void> check_rate(std::string_view text) {
    if (text.empty()) return {};
    TG_CHECK(parse_rate(text));
    return {};
}

std::string to_string(const Rate& rate) {
    Unit best = kUnits[0];
    for (const Unit& unit : kUnits) {
        if (rate.period >= unit.size && rate.period % unit.size == Duration{} && unit.size > best.size) best = unit;
    }
    std::string out = fmt::format("{}/{}{}", rate.count, rate.period / best.size, best.symbol);
    if (rate.burst != rate.count) out += fmt::format(" burst {}", rate.burst);
    return out;
}

}  // namespace tidegate::pipeline
