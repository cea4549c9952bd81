#include "pipeline/cache/rules/http_date.h"

#include <array>
#include <chrono>
#include <cstddef>

#include "base/strings.h"

namespace tidegate::cache::rules {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Reads from the front of a text; every step says whether the text was as expected.
class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool literal(std::string_view expected) noexcept {
        if (rest_.size() < expected.size() || !iequals(rest_.substr(0, expected.size()), expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }
    /// Exactly `count` digits.
    bool digits(std::size_t count, int& out) noexcept {
        if (rest_.size() < count) return false;
        out = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (rest_[i] < '0' || rest_[i] > '9') return false;
            out = out * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(count);
        return true;
    }
    template <std::size_t N>
    bool one_of(const std::array<std::string_view, N>& names, std::size_t& index) noexcept {
        for (index = 0; index < N; ++index) {
            if (literal(names[index])) return true;
        }
        return false;
    }
    bool done() const noexcept { return rest_.empty(); }

  private:
    std::string_view rest_;
};

struct Parts {
    int year = 0, day = 0, hour = 0, minute = 0, second = 0;
    std::size_t month = 0;
};

bool clock_time(Reader& in, Parts& out) noexcept {
    return in.digits(2, out.hour) && in.literal(":") && in.digits(2, out.minute) && in.literal(":") &&
           in.digits(2, out.second);
}

bool imf_fixdate(Reader in, Parts& out) noexcept {
    std::size_t weekday = 0;
    return in.one_of(kDays, weekday) && in.literal(", ") && in.digits(2, out.day) && in.literal(" ") &&
           in.one_of(kMonths, out.month) && in.literal(" ") && in.digits(4, out.year) && in.literal(" ") &&
           clock_time(in, out) && in.literal(" GMT") && in.done();
}

bool rfc850_date(Reader in, Parts& out) noexcept {
    std::size_t weekday = 0;
    return in.one_of(kLongDays, weekday) && in.literal(", ") && in.digits(2, out.day) && in.literal("-") &&
           in.one_of(kMonths, out.month) && in.literal("-") && in.digits(2, out.year) && in.literal(" ") &&
           clock_time(in, out) && in.literal(" GMT") && in.done();
}

bool asctime_date(Reader in, Parts& out) noexcept {
    std::size_t weekday = 0;
    return in.one_of(kDays, weekday) && in.literal(" ") && in.one_of(kMonths, out.month) && in.literal(" ") &&
           (in.digits(2, out.day) || (in.literal(" ") && in.digits(1, out.day))) && in.literal(" ") &&
           clock_time(in, out) && in.literal(" ") && in.digits(4, out.year) && in.done();
}

/// RFC 9110, 5.6.7: a date that seems more than 50 years ahead is the most recent year with those digits in the past.
int full_year(int two_digits, UnixMillis now) noexcept {
    const std::chrono::sys_days today{std::chrono::floor<std::chrono::days>(std::chrono::milliseconds(now))};
    const int current = static_cast<int>(std::chrono::year_month_day{today}.year());
    int year = current - current % 100 + two_digits;
    if (year > current + 50) year -= 100;
    if (year < current - 49) year += 100;
    return year;
}

}  // namespace

std::optional<UnixMillis> parse_http_date(std::string_view text, UnixMillis now) noexcept {
    Parts parts;
    const Reader in(text);
    if (!imf_fixdate(in, parts) && !asctime_date(in, parts)) {
        if (!rfc850_date(in, parts)) return std::nullopt;
        parts.year = full_year(parts.year, now);
    }
    const std::chrono::year_month_day date{std::chrono::year(parts.year),
                                           std::chrono::month(static_cast<unsigned>(parts.month + 1)),
                                           std::chrono::day(static_cast<unsigned>(parts.day))};
    // Second 60 is a leap second.
    if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
    const auto since_epoch = std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(parts.hour) +
                             std::chrono::minutes(parts.minute) + std::chrono::seconds(parts.second);
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

}  // namespace tidegate::cache::rules
