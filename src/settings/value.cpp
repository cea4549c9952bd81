#include "settings/value.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/json_writer.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace tidegate::settings {
namespace {

using namespace std::chrono_literals;

struct NamedUnit {
    std::string_view ending;
    TimeUnit unit;
};
constexpr std::array<NamedUnit, 8> kNameEndings{{{"_ms", {1ms, "ms"}},
                                                 {"_milliseconds", {1ms, "ms"}},
                                                 {"_s", {1s, "s"}},
                                                 {"_seconds", {1s, "s"}},
                                                 {"_sec", {1s, "s"}},
                                                 {"_minutes", {1min, "min"}},
                                                 {"_hours", {1h, "h"}},
                                                 {"_days", {24h, "d"}}}};
constexpr std::array<NamedUnit, 7> kTimeUnits{{{"us", {1us, "us"}},
                                               {"ms", {1ms, "ms"}},
                                               {"min", {1min, "min"}},
                                               {"s", {1s, "s"}},
                                               {"m", {1min, "m"}},
                                               {"h", {1h, "h"}},
                                               {"d", {24h, "d"}}}};

struct ByteUnit {
    std::string_view symbol;
    std::uint64_t size;
};
constexpr std::array<ByteUnit, 7> kByteUnits{{{"kib", 1ULL << 10U},
                                              {"mib", 1ULL << 20U},
                                              {"gib", 1ULL << 30U},
                                              {"kb", 1'000},
                                              {"mb", 1'000'000},
                                              {"gb", 1'000'000'000},
                                              {"b", 1}}};

Duration unit_size(const Entry& entry, std::string_view spelled) {
    if (const auto unit = unit_of_name(spelled)) return unit->size;
    if (const auto unit = unit_of_name(entry.name)) return unit->size;
    return 1s;
}

std::optional<bool> parse_bool(std::string_view text) {
    const std::string word = to_lower(text);
    if (word == "true" || word == "yes" || word == "on" || word == "1") return true;
    if (word == "false" || word == "no" || word == "off" || word == "0") return false;
    return std::nullopt;
}

std::string show_duration(Duration value, const Entry& entry) {
    const Duration unit = unit_size(entry, entry.name);
    if (value % unit == Duration{}) return fmt::format("{}", value / unit);
    return fmt::format("{}", std::chrono::duration<double>(value) / std::chrono::duration<double>(unit));
}

std::string show_bound(const Bound& bound, const Entry& entry) {
    if (const auto* value = std::get_if<std::int64_t>(&bound)) return fmt::format("{}", *value);
    if (const auto* value = std::get_if<std::uint64_t>(&bound)) return fmt::format("{}", *value);
    if (const auto* value = std::get_if<double>(&bound)) return fmt::format("{}", *value);
    if (const auto* value = std::get_if<Duration>(&bound)) return show_duration(*value, entry);
    return {};
}

/// What was expected, for the end of a message: "an integer from 0 to 65535".
std::string expectation(const Entry& entry) {
    const std::string range = range_text(entry);
    std::string text;
    if (!entry.choices.empty()) {
        text = "one of " + range;
    } else {
        const std::string_view type = type_name(entry);
        const std::string_view article = type == "integer" ? "an" : "a";
        const std::string_view of = type == "bytes" ? "number of " : "";
        text = fmt::format("{} {}{}", article, of, type);
        if (entry.minimum.index() != 0) text += " from " + range;
    }
    if (std::holds_alternative<Duration*>(entry.target)) text += fmt::format(" {}", entry.unit);
    return text;
}

std::string quoted(std::string_view text) {
    if (!utf8::is_valid(text)) return "the value is not UTF-8";
    // A line of a terminal; the source says where the rest is.
    if (text.size() > 80) return fmt::format("a value of {} characters", utf8::length(text));
    return fmt::format("\"{}\"", text);
}

std::unexpected<Error> refuse(const Entry& entry, std::string_view text) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is not {}", quoted(text), expectation(entry)));
}

/// What the setting's own check says of the texts just stored.
Result<void> check_stored(const Entry& entry) {
    if (entry.check == nullptr) return {};
    const auto judge = [&](const std::string& text) -> Result<void> {
        const Result<void> verdict = entry.check(text);
        if (verdict) return {};
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", quoted(text), verdict.error().message));
    };
    if (auto* const* text = std::get_if<std::string*>(&entry.target)) return judge(**text);
    if (auto* const* texts = std::get_if<std::vector<std::string>*>(&entry.target)) {
        for (const std::string& text : **texts) TG_CHECK(judge(text));
    }
    return {};
}

template <class T>
bool within(const Entry& entry, T value) {
    const auto* minimum = std::get_if<T>(&entry.minimum);
    const auto* maximum = std::get_if<T>(&entry.maximum);
    return (minimum == nullptr || value >= *minimum) && (maximum == nullptr || value <= *maximum);
}

// The range is checked against the type's own limits too: a range wider than the target would wrap.
template <class Wide, class T>
bool assign_number(const Entry& entry, T& target, std::optional<Wide> value) {
    if (!value || !within<Wide>(entry, *value)) return false;
    if (*value < std::numeric_limits<T>::min() || *value > std::numeric_limits<T>::max()) return false;
    target = static_cast<T>(*value);
    return true;
}

bool is_allowed(const Entry& entry, std::string_view text) {
    return entry.choices.empty() || std::ranges::find(entry.choices, text) != entry.choices.end();
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> items;
    if (trim(text).empty()) return items;
    for (const std::string_view item : split(text, ',')) items.emplace_back(trim(item));
    return items;
}

template <class T>
bool store(const Entry& entry, T& target, std::string_view text, std::string_view spelled) {
    if constexpr (std::is_same_v<T, bool>) {
        const auto value = parse_bool(text);
        if (value) target = *value;
        return value.has_value();
    } else if constexpr (std::is_same_v<T, double>) {
        const auto value = parse_double(text);
        if (!value || !std::isfinite(*value) || !within(entry, *value)) return false;
        target = *value;
        return true;
    } else if constexpr (std::is_same_v<T, Duration>) {
        const auto value = parse_duration(text, unit_size(entry, spelled));
        if (!value || !within(entry, *value)) return false;
        target = *value;
        return true;
    } else if constexpr (std::is_unsigned_v<T>) {
        return assign_number<std::uint64_t>(entry, target, entry.is_bytes ? parse_bytes(text) : parse_u64(text));
    } else if constexpr (std::is_signed_v<T>) {
        return assign_number<std::int64_t>(entry, target, parse_i64(text));
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (!is_allowed(entry, text) || !utf8::is_valid(text)) return false;
        target = text;
        return true;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        if (!utf8::is_valid(text)) return false;
        target = split_list(text);
        return std::ranges::none_of(target, [](const std::string& item) { return item.empty(); });
    } else {
        static_assert(std::is_same_v<T, Secret>);
        target = Secret(text);
        return true;
    }
}

template <class T>
std::string show(const Entry& entry, const T& value) {
    if constexpr (std::is_same_v<T, Duration>) {
        return show_duration(value, entry);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        return fmt::format("{}", fmt::join(value, ","));
    } else if constexpr (std::is_same_v<T, Secret>) {
        return value.is_set() ? "set" : "not set";
    } else {
        return fmt::format("{}", value);
    }
}

}  // namespace

std::optional<TimeUnit> unit_of_name(std::string_view name) {
    const std::string lower = to_lower(name);
    for (const NamedUnit& named : kNameEndings) {
        if (lower.ends_with(named.ending)) return named.unit;
    }
    return std::nullopt;
}

std::optional<Duration> parse_duration(std::string_view text, Duration unit) {
    std::string_view number = text;
    for (const NamedUnit& named : kTimeUnits) {
        if (!text.ends_with(named.ending)) continue;
        number = trim(text.substr(0, text.size() - named.ending.size()));
        unit = named.unit.size;
        break;
    }
    if (const auto whole = parse_i64(number)) {
        if (*whole > Duration::max() / unit || *whole < Duration::min() / unit) return std::nullopt;
        return *whole * unit;
    }
    const auto real = parse_double(number);
    if (!real || !std::isfinite(*real)) return std::nullopt;
    const double count = *real * static_cast<double>(unit.count());
    if (std::abs(count) >= static_cast<double>(Duration::max().count())) return std::nullopt;
    return Duration(std::llround(count));
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    const std::string lower = to_lower(text);
    std::string_view number = lower;
    std::uint64_t unit = 1;
    for (const ByteUnit& named : kByteUnits) {
        if (!lower.ends_with(named.symbol)) continue;
        number = trim(std::string_view(lower).substr(0, lower.size() - named.symbol.size()));
        unit = named.size;
        break;
    }
    const auto count = parse_u64(number);
    if (!count || *count > std::numeric_limits<std::uint64_t>::max() / unit) return std::nullopt;
    return *count * unit;
}

Result<void> store_text(const Entry& entry, std::string_view text, std::string_view spelled) {
    const bool stored = std::visit([&](auto* target) { return store(entry, *target, text, spelled); }, entry.target);
    if (!stored) return refuse(entry, text);
    return check_stored(entry);
}

Result<void> store_list(const Entry& entry, std::vector<std::string> items) {
    auto* const* target = std::get_if<std::vector<std::string>*>(&entry.target);
    if (target == nullptr) return fail(ErrorCode::kInvalidArgument, "a list is not " + expectation(entry));
    for (const std::string& item : items) {
        if (item.empty()) return fail(ErrorCode::kInvalidArgument, "the list holds an empty item");
    }
    **target = std::move(items);
    return check_stored(entry);
}

Result<void> store_default(const Entry& entry) {
    if (entry.is_secret()) {
        *std::get<Secret*>(entry.target) = Secret();
        return {};
    }
    if (entry.is_list()) return store_list(entry, std::get<std::vector<std::string>>(entry.initial));
    return store_text(entry, default_text(entry), entry.name);
}

std::string_view type_name(const Entry& entry) {
    if (entry.is_bytes) return "bytes";
    if (!entry.choices.empty()) return "choice";
    return std::visit(
        []<class T>(const T*) -> std::string_view {
            if constexpr (std::is_same_v<T, bool>) return "boolean";
            if constexpr (std::is_integral_v<T>) return "integer";
            if constexpr (std::is_same_v<T, double>) return "number";
            if constexpr (std::is_same_v<T, Duration>) return "duration";
            if constexpr (std::is_same_v<T, Secret>) return "secret";
            if constexpr (std::is_same_v<T, std::vector<std::string>>) return "list";
            return "text";
        },
        entry.target);
}

std::string range_text(const Entry& entry) {
    if (!entry.choices.empty()) return fmt::format("{}", fmt::join(entry.choices, ", "));
    if (entry.minimum.index() == 0) return entry.form;
    return fmt::format("{} to {}", show_bound(entry.minimum, entry), show_bound(entry.maximum, entry));
}

std::string value_text(const Entry& entry) {
    return std::visit([&](const auto* target) { return show(entry, *target); }, entry.target);
}

std::string value_json(const Entry& entry) {
    std::string out;
    JsonWriter json(out);
    std::visit(
        [&]<class T>(const T* target) {
            if constexpr (std::is_same_v<T, std::vector<std::string>>) {
                json.begin_array();
                for (const std::string& item : *target) json.value(item);
                json.end_array();
            } else if constexpr (std::is_same_v<T, Duration>) {
                json.raw(show_duration(*target, entry));
            } else if constexpr (std::is_same_v<T, Secret>) {
                json.value(target->is_set() ? "set" : "not set");
            } else {
                json.value(*target);
            }
        },
        entry.target);
    return out;
}

std::string default_text(const Entry& entry) {
    return std::visit(
        [&]<class T>(const T& value) -> std::string {
            if constexpr (std::is_same_v<T, std::monostate>) {
                return {};
            } else {
                return show(entry, value);
            }
        },
        entry.initial);
}

}  // namespace tidegate::settings
