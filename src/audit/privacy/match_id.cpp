#include <array>
#include <initializer_list>

#include "audit/privacy/check_digits.h"
#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

Match id(std::size_t end, const char* kind) noexcept {
    return {end, PiiClass::kNationalId, kind};
}

// The first groups have just these sizes, parted by one separator of `separators`, and end well.
bool has_shape(const Scan& scan, const NumberRun& run, std::initializer_list<std::uint8_t> sizes,
               std::string_view separators) noexcept {
    if (run.groups < sizes.size()) return false;
    std::size_t i = 0;
    for (const std::uint8_t size : sizes) {
        if (run.sizes[i++] != size) return false;
    }
    const std::size_t n = sizes.size();
    if (n > 1 && (!run.even(n) || separators.find(run.separators[0]) == std::string_view::npos)) return false;
    return ends_well(scan.text, run.ends[n - 1]);
}

MaybeMatch match_nir(const Scan& scan, const NumberRun& run) noexcept {
    for (const std::initializer_list<std::uint8_t> sizes :
         {std::initializer_list<std::uint8_t>{15}, {13, 2}, {1, 2, 2, 2, 3, 3, 2}}) {
        if (has_shape(scan, run, sizes, " .") && is_fr_nir(run.first(15)))
            return id(run.ends[sizes.size() - 1], "fr_nir");
    }
    // Corsica: the run of digits ends at the letter of the department.
    std::array<char, 15> text;
    std::size_t size = 0;
    std::size_t i = 0;
    for (; size < text.size() && i < 22; ++i) {
        const char c = scan.here(i);
        if (is_digit(c) || (size == 6 && (c == 'A' || c == 'B'))) {
            text[size++] = c;
        } else if (c != ' ' || size == 0) {
            break;
        }
    }
    const bool corsica = size == text.size() && (text[6] == 'A' || text[6] == 'B');
    if (!corsica || !ends_well(scan.text, scan.at + i) || !is_fr_nir({text.data(), size})) return std::nullopt;
    return id(scan.at + i, "fr_nir");
}

MaybeMatch match_ssn(const Scan& scan, const NumberRun& run) noexcept {
    if (has_shape(scan, run, {3, 2, 4}, "- ") && is_us_ssn(run.first(9))) return id(run.ends[2], "us_ssn");
    const bool bare = has_shape(scan, run, {9}, "") && is_us_ssn(run.first(9));
    if (bare && announced(scan.text, scan.at) == Announced::kSsn) return id(run.ends[0], "us_ssn");
    return std::nullopt;
}

MaybeMatch match_steuer_id(const Scan& scan, const NumberRun& run) noexcept {
    const bool bare = has_shape(scan, run, {11}, "");
    if (!bare && !has_shape(scan, run, {2, 3, 3, 3}, " ")) return std::nullopt;
    if (!is_de_steuer_id(run.first(11))) return std::nullopt;
    // Eleven digits with a check digit are not rare among other numbers.
    const Announced what = announced(scan.text, scan.at);
    if (what == Announced::kNumber || what == Announced::kPhone) return std::nullopt;
    return id(run.ends[bare ? 0 : 3], "de_steuer_id");
}

MaybeMatch match_bsn(const Scan& scan, const NumberRun& run) noexcept {
    std::size_t groups = 0;
    if (has_shape(scan, run, {9}, "")) groups = 1;
    if (has_shape(scan, run, {4, 2, 3}, ".- ") || has_shape(scan, run, {3, 3, 3}, ".- ")) groups = 3;
    // One number of eleven passes the test: only where it is called by its name.
    if (groups == 0 || !is_nl_bsn(run.first(9)) || announced(scan.text, scan.at) != Announced::kBsn)
        return std::nullopt;
    return id(run.ends[groups - 1], "nl_bsn");
}

MaybeMatch match_dni(const Scan& scan, const NumberRun& run) noexcept {
    std::size_t end = 0;
    if (run.groups >= 1 && run.sizes[0] == 8) end = run.ends[0];
    if (run.groups >= 3 && run.sizes[0] == 2 && run.sizes[1] == 3 && run.sizes[2] == 3 && run.separators[0] == '.' &&
        run.separators[1] == '.') {
        end = run.ends[2];
    }
    if (end == 0) return std::nullopt;
    std::size_t i = end - scan.at;
    if (scan.here(i) == '-') ++i;
    std::array<char, 9> text;
    std::size_t size = 0;
    for (const char c : run.first(8)) text[size++] = c;
    text[size++] = scan.here(i++);
    if (is_word(scan.here(i)) || !is_es_dni({text.data(), size})) return std::nullopt;
    return id(scan.at + i, "es_dni");
}

// Letters and digits from the candidate on, without the separators that may part them; gives where it ends.
struct Compact {
    std::array<char, 16> text{};
    std::size_t size = 0;
    std::size_t end = 0;
    std::string_view chars() const noexcept { return {text.data(), size}; }
};
Compact compact(const Scan& scan, std::size_t wanted, std::string_view separators) noexcept {
    Compact out;
    std::size_t i = 0;
    while (out.size < wanted && i < wanted * 2) {
        const char c = scan.here(i);
        if (is_letter(c) || is_digit(c)) {
            out.text[out.size++] = c;
        } else if (out.size == 0 || separators.find(c) == std::string_view::npos || c == '\0') {
            break;
        }
        ++i;
    }
    out.end = scan.at + i;
    return out;
}

}  // namespace

MaybeMatch match_numeric_id(const Scan& scan, const NumberRun& run) noexcept {
    if (const auto found = match_nir(scan, run)) return found;
    if (const auto found = match_ssn(scan, run)) return found;
    if (const auto found = match_steuer_id(scan, run)) return found;
    if (const auto found = match_bsn(scan, run)) return found;
    return match_dni(scan, run);
}

MaybeMatch match_letter_id(const Scan& scan) noexcept {
    const char first = scan.here(0);
    const char second = scan.here(1);
    if (first >= 'X' && first <= 'Z' && (is_digit(second) || second == '-')) {
        const Compact nie = compact(scan, 9, "-");
        if (is_es_nie(nie.chars()) && !is_word(scan.here(nie.end - scan.at))) return id(nie.end, "es_nie");
    }
    if (!is_letter(second)) return std::nullopt;
    if (is_digit(scan.here(2)) || (scan.here(2) == ' ' && is_digit(scan.here(3)))) {
        const Compact nino = compact(scan, 9, " ");
        if (is_uk_nino(nino.chars()) && !is_word(scan.here(nino.end - scan.at))) return id(nino.end, "uk_nino");
        return std::nullopt;
    }
    for (std::size_t i = 2; i < 6; ++i) {
        if (!is_letter(scan.here(i)) && scan.here(i) != ' ') return std::nullopt;
    }
    Compact fiscal = compact(scan, 16, " ");
    for (char& c : fiscal.text) c = is_letter(c) ? static_cast<char>(c & ~0x20) : c;
    if (!is_it_codice_fiscale(fiscal.chars()) || is_word(scan.here(fiscal.end - scan.at))) return std::nullopt;
    return id(fiscal.end, "it_codice_fiscale");
}

}  // namespace tidegate::audit::privacy
