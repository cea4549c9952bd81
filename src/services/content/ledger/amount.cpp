#include "services/content/ledger/amount.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace tidegate::content {

std::optional<Units> parse_amount(std::string_view text) noexcept {
    constexpr std::size_t kDecimals = 8, kWholeDigitsMax = 10;
    const std::size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    const std::string_view part = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
    if (whole.empty() || whole.size() > kWholeDigitsMax || part.size() > kDecimals) return std::nullopt;
    if (point != std::string_view::npos && part.empty()) return std::nullopt;
    const auto tokens = parse_u64(whole);
    const auto rest = part.empty() ? std::optional<std::uint64_t>(0) : parse_u64(part);
    if (!tokens || !rest) return std::nullopt;
    Units fraction = static_cast<Units>(*rest);
    for (std::size_t i = part.size(); i < kDecimals; ++i) fraction *= 10;
    const Units units = static_cast<Units>(*tokens) * kToken + fraction;
    if (units <= 0 || units > kAmountMax) return std::nullopt;
    return units;
}

std::string format_amount(Units units) {
    return format_sum(units);
}

std::string format_sum(WideUnits units) {
    const WideUnits size = units < 0 ? -units : units;
    return fmt::format("{}{}.{:08}", units < 0 ? "-" : "", static_cast<std::uint64_t>(size / kToken),
                       static_cast<std::uint64_t>(size % kToken));
}

}  // namespace tidegate::content
