#include <array>

#include "audit/privacy/check_digits.h"
#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

// As cards are printed: fours, 4-6-5 (American Express), 4-6-4 (Diners Club).
bool is_card_shape(const NumberRun& run, std::size_t groups) noexcept {
    if (groups == 1) return true;
    if (!run.even(groups) || (run.separators[0] != ' ' && run.separators[0] != '-') || run.sizes[0] != 4) return false;
    if (groups == 3 && run.sizes[1] == 6) return run.sizes[2] == 5 || run.sizes[2] == 4;
    for (std::size_t i = 1; i + 1 < groups; ++i) {
        if (run.sizes[i] != 4) return false;
    }
    return run.sizes[groups - 1] <= 4;
}

}  // namespace

MaybeMatch match_card(const Scan& scan, const NumberRun& run) noexcept {
    for (std::size_t groups = run.groups; groups > 0; --groups) {
        const std::size_t total = run.sum(groups);
        if (total < 13 || total > 19 || !is_card_shape(run, groups)) continue;
        const std::size_t end = run.ends[groups - 1];
        if (is_card_number(run.first(total)) && ends_well(scan.text, end)) return Match{end, PiiClass::kCard, "card"};
    }
    return std::nullopt;
}

MaybeMatch match_iban(const Scan& scan) noexcept {
    if (!is_letter(scan.here(1)) || !is_digit(scan.here(2)) || !is_digit(scan.here(3))) return std::nullopt;
    const auto upper = [](char c) { return is_letter(c) ? static_cast<char>(c & ~0x20) : c; };
    const std::array<char, 2> country{upper(scan.here(0)), upper(scan.here(1))};
    const std::size_t wanted = iban_length({country.data(), 2});
    if (wanted == 0) return std::nullopt;
    std::array<char, 34> text;
    std::size_t size = 0;
    std::size_t i = 0;
    while (size < wanted) {
        const char c = scan.here(i);
        if (is_letter(c) || is_digit(c)) {
            text[size++] = c;
            ++i;
        } else if (size > 0 && size % 4 == 0 && (c == ' ' || c == '-') && is_word(scan.here(i + 1))) {
            ++i;
        } else if (size > 0 && size % 4 == 0 && scan.text.substr(scan.at + i, 2) == "\xC2\xA0") {
            i += 2;
        } else {
            return std::nullopt;
        }
    }
    if (is_word(scan.here(i)) || !is_iban({text.data(), size})) return std::nullopt;
    return Match{scan.at + i, PiiClass::kIban, "iban"};
}

}  // namespace tidegate::audit::privacy
