#include "base/clock.h"

#include <fmt/core.h>

#include <array>
#include <ctime>

#include "base/strings.h"

namespace tidegate {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;

struct Civil {
    std::int64_t year;
    unsigned month, day;
    int weekday;  // 0 is Sunday.
};

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

Civil civil_of(UnixMillis time) {
    const std::chrono::sys_days days{std::chrono::days{floor_div(time, kMsPerDay)}};
    const std::chrono::year_month_day date{days};
    const std::chrono::weekday weekday{days};
    return {static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
            static_cast<int>(weekday.c_encoding())};
}

bool digits(std::string_view text, std::size_t position, std::size_t count, int& out) {
    if (position + count > text.size()) return false;
    out = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const char c = text[position + i];
        if (c < '0' || c > '9') return false;
        out = out * 10 + (c - '0');
    }
    return true;
}

}  // namespace

SteadyTime SystemClock::now() const noexcept {
    return std::chrono::steady_clock::now();
}

UnixMillis SystemClock::unix_ms() const noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

SteadyTime ManualClock::now() const noexcept {
    const Lock lock(mutex_);
    return SteadyTime{} + elapsed_;
}

UnixMillis ManualClock::unix_ms() const noexcept {
    const Lock lock(mutex_);
    return unix_ms_ + std::chrono::duration_cast<std::chrono::milliseconds>(elapsed_).count();
}

void ManualClock::advance(Duration by) noexcept {
    const Lock lock(mutex_);
    elapsed_ += by;
}

std::string format_rfc3339(UnixMillis time) {
    const Civil date = civil_of(time);
    const std::int64_t in_day = time - floor_div(time, kMsPerDay) * kMsPerDay;
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", date.year, date.month, date.day,
                       in_day / 3'600'000, in_day / 60'000 % 60, in_day / 1000 % 60, in_day % 1000);
}

std::string format_http_date(UnixMillis time) {
    static constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const Civil date = civil_of(time);
    const std::int64_t in_day = time - floor_div(time, kMsPerDay) * kMsPerDay;
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(date.weekday)],
                       date.day, kMonths[date.month - 1], date.year, in_day / 3'600'000, in_day / 60'000 % 60,
                       in_day / 1000 % 60);
}

Result<UnixMillis> parse_rfc3339(std::string_view text) {
    const auto bad = [] {
        return fail(ErrorCode::kInvalidArgument, "not an RFC 3339 time such as 2026-03-01T12:00:00Z");
    };
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    const bool shape = digits(text, 0, 4, year) && digits(text, 5, 2, month) && digits(text, 8, 2, day) &&
                       digits(text, 11, 2, hour) && digits(text, 14, 2, minute) && digits(text, 17, 2, second) &&
                       text.size() > 19 && text[4] == '-' && text[7] == '-' &&
                       (text[10] == 'T' || text[10] == 't' || text[10] == ' ') && text[13] == ':' && text[16] == ':';
    if (!shape || hour > 23 || minute > 59 || second > 60) return bad();
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok()) return bad();
    std::size_t position = 19;
    std::int64_t fraction_ms = 0;
    if (text[position] == '.') {
        ++position;
        std::size_t count = 0;
        for (std::int64_t scale = 100; position < text.size() && text[position] >= '0' && text[position] <= '9';
             ++position) {
            fraction_ms += scale * (text[position] - '0');
            scale /= 10;
            ++count;
        }
        if (count == 0 || count > 9) return bad();
    }
    std::int64_t offset_min = 0;
    const std::string_view zone = text.substr(position);
    if (zone != "Z" && zone != "z") {
        int zone_hour = 0, zone_minute = 0;
        if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' ||
            !digits(zone, 1, 2, zone_hour) || !digits(zone, 4, 2, zone_minute) || zone_hour > 23 || zone_minute > 59) {
            return bad();
        }
        offset_min = (zone[0] == '-' ? -1 : 1) * (zone_hour * 60 + zone_minute);
    }
    const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
    return days * kMsPerDay + ((hour * 60LL + minute - offset_min) * 60 + second) * 1000 + fraction_ms;
}

}  // namespace tidegate
