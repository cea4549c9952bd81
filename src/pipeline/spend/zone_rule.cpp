// POSIX TZ rules (IEEE 1003.1, chapter 8.3; RFC 9636 lets their times reach from -167 to 167 hours).
#include <algorithm>
#include <chrono>

#include "pipeline/spend/day_seconds.h"
#include "pipeline/spend/zone.h"

namespace tidegate::pipeline::spend {
namespace {

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Reads from the front of a rule; what does not fit makes `failed` true, and from then on nothing is read.
class RuleReader {
  public:
    explicit RuleReader(std::string_view text) : rest_(text) {}

    bool failed() const noexcept { return failed_; }
    bool at_end() const noexcept { return rest_.empty(); }
    bool take(char c) noexcept {
        if (failed_ || !rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c) noexcept {
        if (!take(c)) failed_ = true;
    }

    /// `CET` or `<+0530>`: at least three characters.
    void name() noexcept {
        std::size_t size = 0;
        if (take('<')) {
            while (size < rest_.size() && rest_[size] != '>') ++size;
            if (size < 3 || size == rest_.size()) return fail();
            rest_.remove_prefix(size + 1);
            return;
        }
        while (size < rest_.size() && is_letter(rest_[size])) ++size;
        if (size < 3) return fail();
        rest_.remove_prefix(size);
    }

    std::int64_t number(std::int64_t minimum, std::int64_t maximum) noexcept {
        std::int64_t value = 0;
        std::size_t size = 0;
        for (; size < rest_.size() && size < 4 && is_digit(rest_[size]); ++size)
            value = value * 10 + (rest_[size] - '0');
        if (size == 0 || value < minimum || value > maximum) fail();
        if (failed_) return minimum;
        rest_.remove_prefix(size);
        return value;
    }

    /// `2`, `-1:30`, `+10:00:00`, in seconds.
    std::int64_t time() noexcept {
        const bool negative = take('-');
        if (!negative) take('+');
        std::int64_t seconds = number(0, 167) * 3600;
        if (take(':')) seconds += number(0, 59) * 60;
        if (take(':')) seconds += number(0, 59);
        return negative ? -seconds : seconds;
    }

    ZoneRuleDate date() noexcept {
        ZoneRuleDate out;
        if (take('M')) {
            out.month = static_cast<std::int32_t>(number(1, 12));
            expect('.');
            out.week = static_cast<std::int32_t>(number(1, 5));
            expect('.');
            out.day = static_cast<std::int32_t>(number(0, 6));
        } else if (take('J')) {
            out.form = ZoneRuleDate::Form::kDayNoLeap;
            out.day = static_cast<std::int32_t>(number(1, 365));
        } else {
            out.form = ZoneRuleDate::Form::kDay;
            out.day = static_cast<std::int32_t>(number(0, 365));
        }
        if (take('/')) out.second = time();
        return out;
    }

  private:
    void fail() noexcept { failed_ = true; }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace

std::int64_t ZoneRuleDate::in_year(std::int64_t year_number) const noexcept {
    using namespace std::chrono;
    const std::chrono::year in(static_cast<int>(year_number));
    const auto first = sys_days(in / January / 1).time_since_epoch().count();
    std::int64_t date = 0;
    switch (form) {
        case Form::kDay:
            date = first + this->day;
            break;
        case Form::kDayNoLeap:
            // February 29 is never counted: the 60th day is March 1.
            date = first + this->day - 1 + (in.is_leap() && this->day >= 60 ? 1 : 0);
            break;
        case Form::kMonthWeek: {
            const std::chrono::month of(static_cast<unsigned>(month));
            const weekday on(static_cast<unsigned>(this->day));
            const sys_days found =
                week == 5 ? sys_days(in / of / on[last]) : sys_days(in / of / on[static_cast<unsigned>(week)]);
            date = found.time_since_epoch().count();
            break;
        }
    }
    return date * kDayS + second;
}

Result<ZoneRule> parse_zone_rule(std::string_view text) {
    RuleReader reader(text);
    ZoneRule rule;
    reader.name();
    rule.standard_offset = -reader.time();  // POSIX counts westwards.
    if (!reader.failed() && !reader.at_end()) {
        rule.has_summer = true;
        reader.name();
        rule.summer_offset = rule.standard_offset + 3600;
        if (reader.take(',')) {
            // The common case: an hour ahead.
        } else {
            rule.summer_offset = -reader.time();
            reader.expect(',');
        }
        rule.summer_begin = reader.date();
        reader.expect(',');
        rule.summer_end = reader.date();
    }
    if (reader.failed() || !reader.at_end())
        return fail(ErrorCode::kInvalidArgument, "the rule of a time zone cannot be read");
    return rule;
}

}  // namespace tidegate::pipeline::spend
