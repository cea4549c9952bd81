// Zone: a named time zone, read from the system's zoneinfo, and where its calendar days begin and end.
//
// Position    Below the days of spend. libstdc++ 12 has no time zones of its own.
// Format      TZif of version 2 or later (RFC 9636) with the POSIX TZ rule at its end for the years beyond its table.
// Guarantee   Days follow one another without a gap or an overlap, whatever the clock does at midnight: a day begins at the
//             first instant at which its date is reached, and a clock put back over midnight does not begin it again.
// Memory      A file of at most 64 KiB (the largest zone has 4 KiB).
// Threads     Immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace tidegate::pipeline::spend {

/// One calendar day: begin <= t < end.
struct Day {
    UnixMillis begin = 0;
    UnixMillis end = 0;
    friend bool operator==(const Day&, const Day&) = default;
};

/// `M3.2.0/2`, `J60`, `300/-1`: a moment of each year in local time.
struct ZoneRuleDate {
    enum class Form : std::uint8_t { kMonthWeek, kDayNoLeap, kDay };
    Form form = Form::kMonthWeek;
    std::int32_t month = 0, week = 0, day = 0;
    std::int64_t second = 7200;
    /// Seconds since the epoch as if local time were UTC.
    std::int64_t in_year(std::int64_t year) const noexcept;
};

/// `CET-1CEST,M3.5.0,M10.5.0/3`, less the names. Offsets are seconds east of UTC.
struct ZoneRule {
    std::int64_t standard_offset = 0, summer_offset = 0;
    bool has_summer = false;
    ZoneRuleDate summer_begin, summer_end;
};
Result<ZoneRule> parse_zone_rule(std::string_view text);

class Zone {
  public:
    /// UTC.
    Zone() : name_("UTC"), first_offset_(0), rule_(ZoneRule{}) {}
    /// The content of a TZif file. kInvalidArgument: it is none, or counts leap seconds.
    static Result<Zone> parse(std::string name, std::string_view file);

    const std::string& name() const noexcept { return name_; }
    /// Seconds to add to UTC, at a Unix time in seconds.
    std::int64_t offset_at(std::int64_t unix_s) const noexcept;
    Day day_at(UnixMillis time) const;
    /// `2026-03-01T00:00:00+01:00`.
    std::string format(UnixMillis time) const;

  private:
    struct Change {
        std::int64_t at = 0;
        std::int64_t offset = 0;
    };
    std::int64_t date_at(std::int64_t unix_s) const noexcept;
    std::int64_t begin_of(std::int64_t date) const;
    std::vector<std::int64_t> changes_near(std::int64_t unix_s) const;

    std::string name_;
    std::int64_t first_offset_ = 0;  // Before the first change.
    std::vector<Change> changes_;
    std::optional<ZoneRule> rule_;  // After the last change; absent: the last offset stays.
};

/// `Europe/Berlin`, `UTC`. kInvalidArgument: no such zone; kUnavailable: the zoneinfo of the system is missing.
Result<Zone> load_zone(std::string_view name, const Disk& disk, const std::string& folder = "/usr/share/zoneinfo");
/// As a check of a setting: the form of a name only.
Result<void> check_zone_name(std::string_view name);

}  // namespace tidegate::pipeline::spend
