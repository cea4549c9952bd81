#include "pipeline/cache/rules/times.h"

#include <algorithm>

#include "base/strings.h"
#include "pipeline/cache/residence.h"
#include "pipeline/cache/rules/directives.h"
#include "pipeline/cache/rules/field_list.h"

namespace tidegate::cache::rules {
namespace {

/// Whole seconds from `from` to `to`, not negative, saturating.
Seconds seconds_between(UnixMillis from, UnixMillis to) noexcept {
    return to <= from ? 0 : std::min(kForever, (to - from) / 1000);
}

}  // namespace

Seconds read_age(const http::Headers& response, bool strict) noexcept {
    std::optional<std::string_view> first;
    std::size_t lines = 0;
    for (const auto& [name, value] : response.fields()) {
        if (name.size() != 3 || !iequals(name, "age")) continue;
        if (lines++ == 0) first = value;
    }
    if (!first) return kAbsent;
    if (strict) {
        const auto whole = parse_delta(http::syntax::trim_blank(*first));
        return lines == 1 && whole ? *whole : kForever;
    }
    // RFC 9111, 5.1: of a list the first member; what is no number is ignored.
    std::string_view rest = *first;
    return parse_delta(next_member(rest)).value_or(kAbsent);
}

std::uint32_t initial_age_s(Seconds age_field, std::optional<UnixMillis> date_ms, UnixMillis request_ms,
                            UnixMillis response_ms) noexcept {
    const Seconds apparent = date_ms ? seconds_between(*date_ms, response_ms) : 0;
    const Seconds delay = seconds_between(request_ms, response_ms);
    const Seconds corrected = std::min(kForever, std::max<Seconds>(age_field, 0) + delay);
    return static_cast<std::uint32_t>(std::max(apparent, corrected));
}

std::uint32_t age_s(const Times& times, UnixMillis now) noexcept {
    return static_cast<std::uint32_t>(
        std::min(kForever, times.initial_age_s + resident_ms(times.response_ms, now) / 1000));
}

Seconds ttl_s(const Times& times, UnixMillis now) noexcept {
    return Seconds{times.lifetime_s} - Seconds{age_s(times, now)};
}

bool is_fresh(const Times& times, UnixMillis now) noexcept {
    const UnixMillis resident = resident_ms(times.response_ms, now);
    return UnixMillis{times.lifetime_s} * 1000 > UnixMillis{times.initial_age_s} * 1000 + resident;
}

}  // namespace tidegate::cache::rules
