#include "audit/privacy/check_digits.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}
int value(char c) noexcept {
    return c - '0';
}
bool all_digits(std::string_view text) noexcept {
    return std::ranges::all_of(text, is_digit);
}
int number(std::string_view digits) noexcept {
    int n = 0;
    for (const char c : digits) n = n * 10 + value(c);
    return n;
}

struct Country {
    std::string_view code;
    std::uint8_t length;
};
// SWIFT's IBAN registry.
constexpr std::array<Country, 79> kCountries{
    {{"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
     {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"DO", 28},
     {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23},
     {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
     {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20},
     {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30},
     {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24},
     {"RS", 22}, {"SA", 24}, {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23},
     {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}}};

struct CardRange {
    int first, last;  // Of the first four digits.
    std::uint8_t length_min, length_max;
};
// ISO/IEC 7812 prefixes as the networks publish them.
constexpr std::array<CardRange, 21> kCards{{
    {4000, 4999, 13, 19},                                              // Visa: 13, 16, 19 (below).
    {5100, 5599, 16, 16}, {2221, 2720, 16, 16},                        // Mastercard.
    {3400, 3499, 15, 15}, {3700, 3799, 15, 15},                        // American Express.
    {6011, 6011, 16, 19}, {6440, 6599, 16, 19},                        // Discover.
    {3000, 3059, 14, 14}, {3600, 3699, 14, 14}, {3800, 3999, 14, 14},  // Diners Club.
    {3528, 3589, 16, 19},                                              // JCB.
    {6200, 6299, 16, 19},                                              // UnionPay.
    {5018, 5018, 13, 19}, {5020, 5020, 13, 19}, {5038, 5038, 13, 19}, {5893, 5893, 13, 19},  // Maestro.
    {6304, 6304, 13, 19}, {6759, 6759, 13, 19}, {6761, 6763, 13, 19}, {2200, 2204, 16, 19},  // Mir.
    {6521, 6522, 16, 16},                                                                    // RuPay.
}};

char control_letter(int n) noexcept {
    return std::string_view("TRWAGMYFPDXBNJZSQVHLCKE")[static_cast<std::size_t>(n % 23)];
}

// Digit of a codice fiscale, where a letter may stand for it; -1: neither.
int omocodia(char c) noexcept {
    if (is_digit(c)) return value(c);
    const std::size_t at = std::string_view("LMNPQRSTUV").find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// What a character in an odd place (from 1) counts, by the decree's table; letters count as the digit of their rank.
constexpr std::array<int, 26> kOddPlace{1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                        20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};

int fiscal_sum(std::string_view text) noexcept {
    int sum = 0;
    for (std::size_t i = 0; i < 15; ++i) {
        const int rank = is_digit(text[i]) ? value(text[i]) : text[i] - 'A';
        sum += i % 2 == 0 ? kOddPlace[static_cast<std::size_t>(rank)] : rank;
    }
    return sum;
}

}  // namespace

bool luhn_holds(std::string_view digits) noexcept {
    int sum = 0;
    bool doubled = false;
    for (std::size_t i = digits.size(); i-- > 0;) {
        const int d = value(digits[i]) * (doubled ? 2 : 1);
        sum += d > 9 ? d - 9 : d;
        doubled = !doubled;
    }
    return !digits.empty() && sum % 10 == 0;
}

bool is_card_number(std::string_view digits) noexcept {
    if (digits.size() < 13 || digits.size() > 19 || !all_digits(digits)) return false;
    const int prefix = number(digits.substr(0, 4));
    const bool known = std::ranges::any_of(kCards, [&](const CardRange& range) {
        return prefix >= range.first && prefix <= range.last && digits.size() >= range.length_min &&
               digits.size() <= range.length_max;
    });
    if (!known || (digits[0] == '4' && digits.size() != 13 && digits.size() != 16 && digits.size() != 19)) return false;
    return luhn_holds(digits);
}

std::size_t iban_length(std::string_view country) noexcept {
    const auto found = std::ranges::lower_bound(kCountries, country, {}, &Country::code);
    return found != kCountries.end() && found->code == country ? found->length : 0;
}

bool is_iban(std::string_view text) noexcept {
    if (text.size() < 15 || text.size() > 34) return false;
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
    const std::array<char, 2> country{upper(text[0]), upper(text[1])};
    if (iban_length({country.data(), 2}) != text.size() || !is_digit(text[2]) || !is_digit(text[3])) return false;
    int rest = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = upper(text[(i + 4) % text.size()]);  // The first four go to the end.
        if (is_digit(c)) {
            rest = (rest * 10 + value(c)) % 97;
        } else if (is_upper(c)) {
            rest = (rest * 100 + c - 'A' + 10) % 97;
        } else {
            return false;
        }
    }
    return rest == 1;
}

bool is_us_ssn(std::string_view digits) noexcept {
    if (digits.size() != 9 || !all_digits(digits)) return false;
    const int area = number(digits.substr(0, 3));
    if (area == 0 || area == 666 || area >= 900) return false;
    if (number(digits.substr(3, 2)) == 0 || number(digits.substr(5)) == 0) return false;
    return digits != "078051120" && digits != "219099999";
}

bool is_uk_nino(std::string_view text) noexcept {
    if (text.size() != 9 || !is_upper(text[0]) || !is_upper(text[1]) || !all_digits(text.substr(2, 6))) return false;
    constexpr std::string_view kNotFirst = "DFIQUV";
    constexpr std::string_view kNotSecond = "DFIOQUV";
    constexpr std::array<std::string_view, 7> kNever{"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"};
    return kNotFirst.find(text[0]) == std::string_view::npos && kNotSecond.find(text[1]) == std::string_view::npos &&
           std::ranges::find(kNever, text.substr(0, 2)) == kNever.end() && text[8] >= 'A' && text[8] <= 'D';
}

bool is_de_steuer_id(std::string_view digits) noexcept {
    if (digits.size() != 11 || !all_digits(digits) || digits[0] == '0') return false;
    std::array<int, 10> counts{};
    for (const char c : digits.substr(0, 10)) ++counts[static_cast<std::size_t>(value(c))];
    const auto missing = std::ranges::count(counts, 0);
    const auto twice = std::ranges::count(counts, 2);
    const auto thrice = std::ranges::count(counts, 3);
    // Of the first ten one digit stands twice and one is missing, or (since 2016) one three times and two are missing.
    if (!(twice == 1 && thrice == 0 && missing == 1) && !(thrice == 1 && twice == 0 && missing == 2)) return false;
    int product = 10;
    for (const char c : digits.substr(0, 10)) {
        int sum = (value(c) + product) % 10;
        if (sum == 0) sum = 10;
        product = sum * 2 % 11;
    }
    const int check = 11 - product;
    return value(digits[10]) == (check == 10 ? 0 : check);
}

bool is_fr_nir(std::string_view text) noexcept {
    if (text.size() != 15) return false;
    const bool corsica = text[5] == '2' && (text[6] == 'A' || text[6] == 'B');
    std::int64_t n = 0;
    for (std::size_t i = 0; i < 13; ++i) {
        const char c = corsica && i == 6 ? (text[6] == 'A' ? '9' : '8') : text[i];
        // 2A counts as 19 and 2B as 18.
        const char digit = corsica && i == 5 ? '1' : c;
        if (!is_digit(digit)) return false;
        n = n * 10 + value(digit);
    }
    if (!all_digits(text.substr(13))) return false;
    constexpr std::string_view kSexes = "123478";
    const int month = number(text.substr(3, 2));
    const bool month_known = (month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50;
    return kSexes.find(text[0]) != std::string_view::npos && month_known && number(text.substr(13)) == 97 - n % 97;
}

bool is_es_dni(std::string_view text) noexcept {
    return text.size() == 9 && all_digits(text.substr(0, 8)) && text[8] == control_letter(number(text.substr(0, 8)));
}

bool is_es_nie(std::string_view text) noexcept {
    if (text.size() != 9 || text[0] < 'X' || text[0] > 'Z' || !all_digits(text.substr(1, 7))) return false;
    return text[8] == control_letter((text[0] - 'X') * 10'000'000 + number(text.substr(1, 7)));
}

bool is_it_codice_fiscale(std::string_view text) noexcept {
    if (text.size() != 16) return false;
    // Six letters of the names, two digits of the year, a month, two of the day, a place of a letter and three, the check.
    constexpr std::string_view kShape = "LLLLLLDDLDDLDDDL";
    for (std::size_t i = 0; i < 16; ++i) {
        if (kShape[i] == 'L' ? !is_upper(text[i]) : omocodia(text[i]) < 0) return false;
    }
    if (std::string_view("ABCDEHLMPRST").find(text[8]) == std::string_view::npos) return false;
    const int day = omocodia(text[9]) * 10 + omocodia(text[10]);
    const bool day_known = (day >= 1 && day <= 31) || (day >= 41 && day <= 71);  // Women: 40 more.
    return day_known && text[15] == 'A' + fiscal_sum(text) % 26;
}

bool is_nl_bsn(std::string_view digits) noexcept {
    if (digits.size() != 9 || !all_digits(digits)) return false;
    int sum = -value(digits[8]);
    for (int i = 0; i < 8; ++i) sum += value(digits[static_cast<std::size_t>(i)]) * (9 - i);
    return sum % 11 == 0 && number(digits) != 0;
}

}  // namespace tidegate::audit::privacy
