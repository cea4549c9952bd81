#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

Match phone(std::size_t end, const char* kind) noexcept {
    return {end, PiiClass::kPhone, kind};
}

struct Plan {
    int code;
    std::uint8_t digits_min, digits_max;  // After the country code.
};
// National numbering plans (ITU-T E.164 and its operational bulletins). Other countries: 7 to 12 digits, 15 in all.
constexpr std::array<Plan, 20> kPlans{{{1, 10, 10}, {7, 10, 10}, {30, 10, 10}, {31, 9, 9},  {32, 8, 9},
                                       {33, 9, 9},  {34, 9, 9},  {36, 8, 9},   {39, 8, 11}, {40, 9, 9},
                                       {41, 9, 9},  {43, 7, 12}, {44, 9, 10},  {45, 8, 8},  {46, 7, 10},
                                       {47, 8, 8},  {48, 9, 9},  {49, 7, 11},  {61, 9, 9},  {91, 10, 10}}};

// Digits of the country code at the front; 0: none is assigned that begins so.
std::size_t code_size(std::string_view digits) noexcept {
    if (digits.size() < 3 || digits[0] == '0') return 0;
    if (digits[0] == '1' || digits[0] == '7') return 1;
    const int two = (digits[0] - '0') * 10 + digits[1] - '0';
    constexpr std::array<int, 43> kTwo{20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46,
                                       47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63,
                                       64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95};
    if (two == 98 || std::ranges::binary_search(kTwo, two)) return 2;
    constexpr std::array<int, 17> kThree{21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80};
    if (std::ranges::binary_search(kThree, two) || two == 85 || two == 87 || two == 88 || two == 96 || two == 97 ||
        two == 99) {
        return 3;
    }
    return 0;
}

bool has_sizes(const NumberRun& run, std::size_t groups, std::initializer_list<std::uint8_t> sizes) noexcept {
    return groups == sizes.size() && std::equal(sizes.begin(), sizes.end(), run.sizes.begin());
}

// International: `skip` digits of the run (the `00`) stand before the country code.
MaybeMatch match_international(const Scan& scan, const NumberRun& run, std::size_t skip) noexcept {
    if (run.count < skip + 3) return std::nullopt;
    const std::string_view digits(run.digits.data() + skip, run.count - skip);
    const std::size_t code_digits = code_size(digits);
    if (code_digits == 0) return std::nullopt;
    int code = 0;
    for (const char c : digits.substr(0, code_digits)) code = code * 10 + (c - '0');
    const auto known = std::ranges::find(kPlans, code, &Plan::code);
    const std::size_t least = known == kPlans.end() ? 7 : known->digits_min;
    const std::size_t most = known == kPlans.end() ? 12 : known->digits_max;
    for (std::size_t groups = run.groups; groups > 0; --groups) {
        std::size_t national = run.sum(groups) - skip - std::min(run.sum(groups) - skip, code_digits);
        // `+44 (0)20 ...`: the trunk digit is written though it is not dialled.
        for (std::size_t i = 0, before = 0; i < groups; before += run.sizes[i++]) {
            if (i > 0 && run.sizes[i] == 1 && run.separators[i] == ')' && run.digits[before] == '0') --national;
        }
        if (national < least || national > most || national + code_digits > 15) continue;
        const std::size_t end = run.ends[groups - 1];
        if (ends_well(scan.text, end)) return phone(end, "e164");
    }
    return std::nullopt;
}

// North America: NXX-NXX-XXXX, no N11.
bool is_nanp(const NumberRun& run, std::size_t groups, bool bracket, bool told) noexcept {
    const std::size_t total = run.sum(groups);
    const std::size_t lead = total == 11 && run.digits[0] == '1' ? 1 : 0;
    if (total - lead != 10) return false;
    const auto d = [&](std::size_t i) { return run.digits[lead + i]; };
    if (d(0) < '2' || d(3) < '2' || (d(1) == '1' && d(2) == '1') || (d(4) == '1' && d(5) == '1')) return false;
    if (has_sizes(run, groups, {3, 3, 4}) || has_sizes(run, groups, {1, 3, 3, 4})) return true;
    return (bracket && has_sizes(run, groups, {3, 7})) || (told && groups == 1);
}

// A trunk zero and an area: DE, FR, UK, IT, NL and their neighbours.
bool is_trunk(const NumberRun& run, std::size_t groups, bool bracket, bool told) noexcept {
    const std::size_t total = run.sum(groups);
    if (run.digits[0] != '0' || run.digits[1] == '0' || total < 7 || total > 12) return false;
    if (groups == 1) {
        // Ten digits in FR, NL, IT, parts of the UK; eleven in the UK and for German mobiles (12 too).
        const char area = run.digits[1];
        return told || total == 10 || (total == 11 && (area == '1' || area == '2' || area == '7')) ||
               (total == 12 && area == '1');
    }
    if (run.sizes[0] < 2 || run.sizes[0] > 6) return false;
    for (std::size_t i = 1; i < groups; ++i) {
        if (run.sizes[i] < 2 || (run.separators[i - 1] == '.' && !told && !has_sizes(run, groups, {2, 2, 2, 2, 2}))) {
            return false;
        }
    }
    if (bracket || told || run.separators[0] == '/') return total >= 7;
    return total >= 9;
}

// Spain: nine digits from 6 to 9. Italy: mobiles of ten digits from 3.
bool is_open_plan(const NumberRun& run, std::size_t groups, bool told) noexcept {
    const std::size_t total = run.sum(groups);
    const char first = run.digits[0];
    const bool parted = groups > 1 && run.even(groups) && (run.separators[0] == ' ' || run.separators[0] == '-');
    if (total == 9 && first >= '6') {
        return (groups == 1 && told) ||
               (parted && (has_sizes(run, groups, {3, 2, 2, 2}) || has_sizes(run, groups, {2, 3, 2, 2}) ||
                           has_sizes(run, groups, {3, 3, 3})));
    }
    if (total == 10 && first == '3') {
        return (groups == 1 && told) ||
               (parted && (has_sizes(run, groups, {3, 3, 4}) || has_sizes(run, groups, {3, 7}) ||
                           has_sizes(run, groups, {3, 3, 2, 2})));
    }
    return false;
}

// After a word that says so: whatever could be dialled.
bool is_told(const NumberRun& run, std::size_t groups) noexcept {
    const std::size_t total = run.sum(groups);
    return total >= 7 && total <= 12 &&
           std::all_of(run.sizes.begin(), run.sizes.begin() + static_cast<std::ptrdiff_t>(groups),
                       [](std::uint8_t size) { return size >= 2; });
}

// The later groups of a longer number, in fours as a card has them.
bool follows_four(const Scan& scan) noexcept {
    if (scan.before() != ' ' || is_digit(scan.before(6))) return false;
    return is_digit(scan.before(2)) && is_digit(scan.before(3)) && is_digit(scan.before(4)) && is_digit(scan.before(5));
}

}  // namespace

MaybeMatch match_phone(const Scan& scan, const NumberRun& run) noexcept {
    const char first = scan.here();
    if (run.count < 7) return std::nullopt;
    if (first == '+' || (first == '(' && scan.here(1) == '+')) return match_international(scan, run, 0);
    const bool bracket = first == '(' && run.separators[0] == ')';
    if (first == '(' && !bracket) return std::nullopt;
    const Announced what = announced(scan.text, scan.at);
    const bool told = what == Announced::kPhone;
    if (!bracket && what != Announced::kNothing && !told) return std::nullopt;
    if (!bracket && !told && follows_four(scan)) return std::nullopt;
    if (run.digits[0] == '0' && run.digits[1] == '0' && run.count >= 11) return match_international(scan, run, 2);
    for (std::size_t groups = run.groups; groups > 0; --groups) {
        const std::size_t end = run.ends[groups - 1];
        if (run.sum(groups) < 7 || !ends_well(scan.text, end)) continue;
        const char* kind = nullptr;
        if (is_nanp(run, groups, bracket, told)) {
            kind = "nanp";
        } else if (is_trunk(run, groups, bracket, told)) {
            kind = "trunk";
        } else if (is_open_plan(run, groups, told)) {
            kind = "open";
        } else if (told && is_told(run, groups)) {
            kind = "told";
        }
        if (kind != nullptr && !is_amount(scan.text, scan.at, end)) return phone(end, kind);
    }
    return std::nullopt;
}

}  // namespace tidegate::audit::privacy
