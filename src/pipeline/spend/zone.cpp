#include "pipeline/spend/zone.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "pipeline/spend/day_seconds.h"

namespace tidegate::pipeline::spend {
namespace {

constexpr std::uint64_t kFileBytesMax = 64 * 1024;
// Offsets of real zones lie within 15 hours 14 minutes; a change of the clock is found within this of a midnight.
constexpr std::int64_t kReachS = 27 * 3600;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

std::int64_t year_of(std::int64_t local_s) {
    using namespace std::chrono;
    const sys_days day{days(floor_div(local_s, kDayS))};
    return static_cast<int>(year_month_day(day).year());
}

struct RuleSpan {
    std::int64_t begin, end;  // Of summer time in one year, UTC; begin > end south of the equator.
};
RuleSpan span_of(const ZoneRule& rule, std::int64_t year) {
    return {rule.summer_begin.in_year(year) - rule.standard_offset, rule.summer_end.in_year(year) - rule.summer_offset};
}

std::int64_t rule_offset(const ZoneRule& rule, std::int64_t unix_s) {
    if (!rule.has_summer) return rule.standard_offset;
    const RuleSpan span = span_of(rule, year_of(unix_s + rule.standard_offset));
    const bool is_summer =
        span.begin < span.end ? unix_s >= span.begin && unix_s < span.end : unix_s >= span.begin || unix_s < span.end;
    return is_summer ? rule.summer_offset : rule.standard_offset;
}

/// Reads big-endian numbers from a file whose size was checked before.
class Bytes {
  public:
    explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
    std::uint8_t byte(std::size_t at) const { return static_cast<std::uint8_t>(bytes_[at]); }
    std::uint32_t u32(std::size_t at) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) value = value << 8U | byte(at + i);
        return value;
    }
    std::int64_t i64(std::size_t at) const {
        return static_cast<std::int64_t>(std::uint64_t{u32(at)} << 32U | u32(at + 4));
    }

  private:
    std::string_view bytes_;
};

constexpr std::size_t kHeaderBytes = 44;

struct Header {
    std::uint8_t version = 0;
    std::uint64_t utc_flags = 0, standard_flags = 0, leaps = 0, changes = 0, types = 0, characters = 0;
    std::uint64_t body_bytes(std::uint64_t time_bytes) const noexcept {
        return changes * (time_bytes + 1) + types * 6 + characters + leaps * (time_bytes + 4) + standard_flags +
               utc_flags;
    }
};

std::optional<Header> read_header(std::string_view file) {
    if (file.size() < kHeaderBytes || !file.starts_with("TZif")) return std::nullopt;
    const Bytes bytes(file);
    return Header{.version = bytes.byte(4),
                  .utc_flags = bytes.u32(20),
                  .standard_flags = bytes.u32(24),
                  .leaps = bytes.u32(28),
                  .changes = bytes.u32(32),
                  .types = bytes.u32(36),
                  .characters = bytes.u32(40)};
}

}  // namespace

Result<Zone> Zone::parse(std::string name, std::string_view file) {
    const auto bad = [&](std::string_view why) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("the time zone {} cannot be read: {}", name, why));
    };
    if (file.size() > kFileBytesMax) return bad("its file is too large");
    const auto old = read_header(file);
    if (!old || old->version < '2') return bad("it is no TZif file of version 2 or later");
    const std::uint64_t skipped = kHeaderBytes + old->body_bytes(4);
    if (skipped > file.size()) return bad("its file is cut off");
    file.remove_prefix(skipped);
    const auto header = read_header(file);
    if (!header || kHeaderBytes + header->body_bytes(8) > file.size()) return bad("its file is cut off");
    if (header->leaps != 0) return bad("it counts leap seconds");
    if (header->types == 0) return bad("it has no offset");

    const Bytes body(file.substr(kHeaderBytes));
    const std::size_t indexes = header->changes * 8;
    const std::size_t types = indexes + header->changes;
    Zone zone;
    zone.rule_.reset();
    bool sound = true;
    const auto offset_of = [&](std::size_t type) {
        if (type >= header->types) {
            sound = false;
            return std::int64_t{0};
        }
        const auto offset = static_cast<std::int32_t>(body.u32(types + type * 6));
        sound = sound && std::abs(std::int64_t{offset}) < 26 * 3600;  // As RFC 9636 wants it.
        return std::int64_t{offset};
    };
    zone.first_offset_ = offset_of(0);
    for (std::size_t i = 0; i < header->changes; ++i) {
        const Change change{.at = body.i64(i * 8), .offset = offset_of(body.byte(indexes + i))};
        sound = sound && (zone.changes_.empty() || zone.changes_.back().at < change.at);
        zone.changes_.push_back(change);
    }
    if (!sound) return bad("its table contradicts itself");
    std::string_view footer = file.substr(kHeaderBytes + header->body_bytes(8));
    if (footer.size() < 2 || !footer.starts_with('\n') || !footer.ends_with('\n')) return bad("its rule is missing");
    footer = footer.substr(1, footer.size() - 2);
    if (!footer.empty()) {
        TG_TRY(zone.rule_, parse_zone_rule(footer));
    }
    zone.name_ = std::move(name);
    return zone;
}

std::int64_t Zone::offset_at(std::int64_t unix_s) const noexcept {
    const auto next = std::ranges::upper_bound(changes_, unix_s, {}, &Change::at);
    if (next == changes_.end() && rule_) return rule_offset(*rule_, unix_s);
    return next == changes_.begin() ? first_offset_ : std::prev(next)->offset;
}

std::int64_t Zone::date_at(std::int64_t unix_s) const noexcept {
    return floor_div(unix_s + offset_at(unix_s), kDayS);
}

std::vector<std::int64_t> Zone::changes_near(std::int64_t unix_s) const {
    std::vector<std::int64_t> out;
    const auto from = std::ranges::lower_bound(changes_, unix_s - kReachS, {}, &Change::at);
    for (auto change = from; change != changes_.end() && change->at <= unix_s + kReachS; ++change)
        out.push_back(change->at);
    if (!rule_ || !rule_->has_summer) return out;
    const std::int64_t year = year_of(unix_s);
    for (const std::int64_t near : {year - 1, year, year + 1}) {
        const RuleSpan span = span_of(*rule_, near);
        out.push_back(span.begin);
        out.push_back(span.end);
    }
    return out;
}

// The first instant at which the date is reached: where the clock runs over its midnight under one of the offsets in force
// nearby, or jumps over it.
std::int64_t Zone::begin_of(std::int64_t date) const {
    const std::int64_t midnight = date * kDayS;  // As if local time were UTC.
    std::vector<std::int64_t> candidates = changes_near(midnight);
    std::vector<std::int64_t> offsets{offset_at(midnight - kReachS), offset_at(midnight + kReachS)};
    for (const std::int64_t change : candidates) offsets.push_back(offset_at(change));
    for (const std::int64_t offset : offsets) candidates.push_back(midnight - offset);
    std::int64_t first = midnight + kReachS;
    for (const std::int64_t candidate : candidates) {
        if (candidate >= midnight - kReachS && candidate < first && date_at(candidate) >= date) first = candidate;
    }
    return first;
}

Day Zone::day_at(UnixMillis time) const {
    const std::int64_t now = floor_div(time, 1000);
    std::int64_t date = date_at(now);
    // The clock was put back over a midnight that had begun already.
    while (begin_of(date + 1) <= now) ++date;
    return {.begin = begin_of(date) * 1000, .end = begin_of(date + 1) * 1000};
}

std::string Zone::format(UnixMillis time) const {
    const std::int64_t offset = offset_at(floor_div(time, 1000));
    std::string out = format_rfc3339(time + offset * 1000).substr(0, 19);
    if (offset == 0) return out + "Z";
    const std::int64_t minutes = std::abs(offset) / 60;
    return out + fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

Result<void> check_zone_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
               c == '+' || c == '-';
    };
    // Without a dot there is no way out of the folder.
    if (!name.empty() && name.size() <= 64 && std::ranges::all_of(name, fits) && name.front() != '/') return {};
    return fail(ErrorCode::kInvalidArgument, "a time zone is named like Europe/Berlin or UTC");
}

Result<Zone> load_zone(std::string_view name, const Disk& disk, const std::string& folder) {
    TG_CHECK(check_zone_name(name));
    if (name == "UTC") return Zone();
    auto file = disk.read(fmt::format("{}/{}", folder, name), kFileBytesMax);
    if (file) return Zone::parse(std::string(name), *file);
    if (!disk.exists(folder)) {
        return fail(ErrorCode::kUnavailable, "the system has no time zones: install the package tzdata, or use UTC");
    }
    return fail(ErrorCode::kInvalidArgument, fmt::format("there is no time zone {}", name));
}

}  // namespace tidegate::pipeline::spend
