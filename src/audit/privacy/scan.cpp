#include "audit/privacy/scan.h"

#include <algorithm>

namespace tidegate::audit::privacy {
namespace {

struct Separator {
    std::string_view text;
    char as;
};
// How people part the groups of a number; longer ones first.
constexpr std::array<Separator, 16> kSeparators{{{" / ", '/'},
                                                 {" - ", '-'},
                                                 {"\xE2\x80\xAF", ' '},
                                                 {"\xE2\x80\x91", '-'},
                                                 {"\xE2\x80\x93", '-'},
                                                 {") ", ')'},
                                                 {")-", ')'},
                                                 {")/", ')'},
                                                 {" (", ')'},
                                                 {"\xC2\xA0", ' '},
                                                 {")", ')'},
                                                 {"(", ')'},
                                                 {" ", ' '},
                                                 {"-", '-'},
                                                 {".", '.'},
                                                 {"/", '/'}}};

std::size_t read_separator(std::string_view text, std::size_t at, char& as) noexcept {
    for (const Separator& separator : kSeparators) {
        const std::size_t end = at + separator.text.size();
        if (end < text.size() && is_digit(text[end]) && text.substr(at, separator.text.size()) == separator.text) {
            as = separator.as;
            return separator.text.size();
        }
    }
    return 0;
}

struct Word {
    std::string_view text;
    Announced means;
};
// In English, German, French, Spanish, Italian and Dutch.
constexpr std::array<Word, 117> kWords{{{"anrufen", Announced::kPhone},
                                        {"appelez", Announced::kPhone},
                                        {"article", Announced::kNumber},
                                        {"artikel", Announced::kNumber},
                                        {"artikelnummer", Announced::kNumber},
                                        {"auftrag", Announced::kNumber},
                                        {"auftragsnummer", Announced::kNumber},
                                        {"batch", Announced::kNumber},
                                        {"bel", Announced::kPhone},
                                        {"bestelling", Announced::kNumber},
                                        {"bestellnummer", Announced::kNumber},
                                        {"bestellung", Announced::kNumber},
                                        {"booking", Announced::kNumber},
                                        {"bsn", Announced::kBsn},
                                        {"build", Announced::kVersion},
                                        {"burgerservicenummer", Announced::kBsn},
                                        {"call", Announced::kPhone},
                                        {"case", Announced::kNumber},
                                        {"cell", Announced::kPhone},
                                        {"cellulare", Announced::kPhone},
                                        {"chapter", Announced::kVersion},
                                        {"chiama", Announced::kPhone},
                                        {"chiamare", Announced::kPhone},
                                        {"colis", Announced::kNumber},
                                        {"commande", Announced::kNumber},
                                        {"commit", Announced::kNumber},
                                        {"customer", Announced::kNumber},
                                        {"ean", Announced::kNumber},
                                        {"erreichbar", Announced::kPhone},
                                        {"factura", Announced::kNumber},
                                        {"facture", Announced::kNumber},
                                        {"factuur", Announced::kNumber},
                                        {"fattura", Announced::kNumber},
                                        {"fax", Announced::kPhone},
                                        {"firmware", Announced::kVersion},
                                        {"gtin", Announced::kNumber},
                                        {"handy", Announced::kPhone},
                                        {"hash", Announced::kNumber},
                                        {"hotline", Announced::kPhone},
                                        {"iccid", Announced::kNumber},
                                        {"imei", Announced::kNumber},
                                        {"invoice", Announced::kNumber},
                                        {"isbn", Announced::kNumber},
                                        {"issn", Announced::kNumber},
                                        {"item", Announced::kNumber},
                                        {"job", Announced::kNumber},
                                        {"kundennummer", Announced::kNumber},
                                        {"ll\xC3\xA1mame", Announced::kPhone},
                                        {"llame", Announced::kPhone},
                                        {"llamar", Announced::kPhone},
                                        {"mobiel", Announced::kPhone},
                                        {"mobil", Announced::kPhone},
                                        {"mobile", Announced::kPhone},
                                        {"mobiltelefon", Announced::kPhone},
                                        {"model", Announced::kNumber},
                                        {"movil", Announced::kPhone},
                                        {"m\xC3\xB3vil", Announced::kPhone},
                                        {"order", Announced::kNumber},
                                        {"ordernummer", Announced::kNumber},
                                        {"ordine", Announced::kNumber},
                                        {"parcel", Announced::kNumber},
                                        {"part", Announced::kNumber},
                                        {"pedido", Announced::kNumber},
                                        {"phone", Announced::kPhone},
                                        {"pi", Announced::kNumber},
                                        {"population", Announced::kNumber},
                                        {"portable", Announced::kPhone},
                                        {"product", Announced::kNumber},
                                        {"rappelez", Announced::kPhone},
                                        {"rechnung", Announced::kNumber},
                                        {"rechnungsnummer", Announced::kNumber},
                                        {"ref", Announced::kNumber},
                                        {"reference", Announced::kNumber},
                                        {"referencia", Announced::kNumber},
                                        {"referenz", Announced::kNumber},
                                        {"release", Announced::kVersion},
                                        {"riferimento", Announced::kNumber},
                                        {"ring", Announced::kPhone},
                                        {"ruf", Announced::kPhone},
                                        {"rufen", Announced::kPhone},
                                        {"rufnummer", Announced::kPhone},
                                        {"r\xC3\xA9"
                                         "f\xC3\xA9rence",
                                         Announced::kNumber},
                                        {"section", Announced::kVersion},
                                        {"security", Announced::kSsn},
                                        {"sendung", Announced::kNumber},
                                        {"sendungsnummer", Announced::kNumber},
                                        {"serial", Announced::kNumber},
                                        {"sku", Announced::kNumber},
                                        {"sms", Announced::kPhone},
                                        {"sofinummer", Announced::kBsn},
                                        {"ssn", Announced::kSsn},
                                        {"steuer", Announced::kTax},
                                        {"steuernummer", Announced::kTax},
                                        {"tel", Announced::kPhone},
                                        {"telefono", Announced::kPhone},
                                        {"telefon", Announced::kPhone},
                                        {"telefonnummer", Announced::kPhone},
                                        {"telefoon", Announced::kPhone},
                                        {"telefoonnummer", Announced::kPhone},
                                        {"telephone", Announced::kPhone},
                                        {"tel\xC3\xA9"
                                         "fono",
                                         Announced::kPhone},
                                        {"ticket", Announced::kNumber},
                                        {"timestamp", Announced::kNumber},
                                        {"tracking", Announced::kNumber},
                                        {"transaction", Announced::kNumber},
                                        {"t\xC3\xA9l", Announced::kPhone},
                                        {"t\xC3\xA9l\xC3\xA9phone", Announced::kPhone},
                                        {"upc", Announced::kNumber},
                                        {"user_id", Announced::kNumber},
                                        {"ver", Announced::kVersion},
                                        {"version", Announced::kVersion},
                                        {"versione", Announced::kVersion},
                                        {"versi\xC3\xB3n", Announced::kVersion},
                                        {"whatsapp", Announced::kPhone},
                                        {"\xC2\xA7", Announced::kVersion},
                                        {"zip", Announced::kNumber}}};
// They stand before numbers of any kind: they decide only when nothing stronger does.
constexpr std::array<std::string_view, 8> kWeak{"id",           "no", "nr", "num", "number", "nummer", "n\xC3\xBAmero",
                                                "num\xC3\xA9ro"};

// "my number": with nothing said of what, a telephone's.
constexpr std::array<std::string_view, 14> kPossessives{"my",    "her",    "his",  "our",  "your", "meine", "ihre",
                                                        "seine", "unsere", "mijn", "haar", "zijn", "mon",   "mi"};

constexpr std::size_t kLookBackBytes = 40;
constexpr std::size_t kLookBackWords = 4;

bool is_text(char c) noexcept {
    return is_word(c) || static_cast<unsigned char>(c) >= 0x80;
}

std::string_view lower_of(std::string_view word, std::array<char, 24>& buffer) noexcept {
    if (word.size() > buffer.size()) return {};
    std::ranges::transform(word, buffer.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return {buffer.data(), word.size()};
}

constexpr std::array<std::string_view, 8> kCurrencies{"$", "\xE2\x82\xAC", "\xC2\xA3", "EUR", "USD", "GBP", "CHF", "%"};
constexpr std::array<std::string_view, 18> kUnits{"euro",    "euros",  "eur",    "usd",  "gbp",   "chf",
                                                  "dollars", "dollar", "kg",     "km",   "m",     "mm",
                                                  "ms",      "bytes",  "people", "rows", "units", "views"};

}  // namespace

std::size_t NumberRun::sum(std::size_t n) const noexcept {
    std::size_t total = 0;
    for (std::size_t i = 0; i < n; ++i) total += sizes[i];
    return total;
}

bool NumberRun::even(std::size_t n) const noexcept {
    for (std::size_t i = 1; i + 1 < n; ++i) {
        if (separators[i] != separators[0]) return false;
    }
    return true;
}

NumberRun read_run(std::string_view text, std::size_t at) noexcept {
    NumberRun run;
    while (at < text.size() && is_digit(text[at])) {
        if (run.groups == NumberRun::kGroups) break;
        const std::size_t group = run.groups;
        const std::size_t counted = run.count;
        while (at < text.size() && is_digit(text[at]) && run.count < NumberRun::kDigits) {
            run.digits[run.count++] = text[at++];
        }
        if (run.count == counted) break;
        run.sizes[group] = static_cast<std::uint8_t>(run.count - counted);
        run.ends[group] = at;
        ++run.groups;
        if (at < text.size() && is_digit(text[at])) {
            run.cut = true;
            break;
        }
        char as = '\0';
        const std::size_t size = read_separator(text, at, as);
        run.separators[group] = as;
        if (size == 0) break;
        at += size;
    }
    return run;
}

bool ends_well(std::string_view text, std::size_t end) noexcept {
    if (end >= text.size()) return true;
    const char next = text[end];
    if (is_word(next) || next == '%' || next == '@') return false;
    const char after = end + 1 < text.size() ? text[end + 1] : '\0';
    if (next == '-') return !is_word(after);
    return !((next == '.' || next == ',' || next == '/' || next == ':') && is_digit(after));
}

Announced announced(std::string_view text, std::size_t at) noexcept {
    const std::size_t floor = at > kLookBackBytes ? at - kLookBackBytes : 0;
    if (at > 0 && text[at - 1] == '#') return Announced::kNumber;
    bool weak = false;
    std::size_t end = at;
    for (std::size_t words = 0; words < kLookBackWords && end > floor; ++words) {
        while (end > floor && !is_text(text[end - 1])) {
            // A sentence or a line of its own announces nothing here.
            if (text[end - 1] == '\n' || text[end - 1] == ';' || text[end - 1] == ',')
                return weak ? Announced::kNumber : Announced::kNothing;
            --end;
        }
        std::size_t begin = end;
        while (begin > floor && is_text(text[begin - 1])) --begin;
        std::array<char, 24> buffer;
        const std::string_view word = lower_of(text.substr(begin, end - begin), buffer);
        if (weak && std::ranges::find(kPossessives, word) != kPossessives.end()) return Announced::kPhone;
        const auto found = std::ranges::find(kWords, word, &Word::text);
        if (!word.empty() && found != kWords.end()) return found->means;
        weak = weak || std::ranges::find(kWeak, word) != kWeak.end();
        end = begin;
    }
    return weak ? Announced::kNumber : Announced::kNothing;
}

bool is_amount(std::string_view text, std::size_t at, std::size_t end) noexcept {
    std::string_view before = text.substr(0, at);
    while (before.ends_with(' ')) before.remove_suffix(1);
    std::string_view after = text.substr(end);
    while (after.starts_with(' ')) after.remove_prefix(1);
    for (const std::string_view sign : kCurrencies) {
        if (before.ends_with(sign) || after.starts_with(sign)) return true;
    }
    std::size_t size = 0;
    while (size < after.size() && is_text(after[size]) && size < 25) ++size;
    std::array<char, 24> buffer;
    const std::string_view word = lower_of(after.substr(0, size), buffer);
    return !word.empty() && std::ranges::find(kUnits, word) != kUnits.end();
}

std::size_t end_of_date(const Scan& scan, const NumberRun& run) noexcept {
    if (run.groups < 3 || run.separators[0] != run.separators[1] || run.separators[0] == ' ' ||
        run.separators[0] == ')')
        return 0;
    // A fourth group by the same separator: an address or a version, or a French telephone number.
    if (run.separators[2] == run.separators[0]) return 0;
    const auto at = [&](std::size_t first, std::size_t size) {
        int n = 0;
        for (std::size_t i = first; i < first + size; ++i) n = n * 10 + (run.digits[i] - '0');
        return n;
    };
    const std::size_t a = run.sizes[0];
    const std::size_t b = run.sizes[1];
    const std::size_t c = run.sizes[2];
    if (b > 2 || (a > 2 && a != 4) || (c > 2 && c != 4) || (a == 4 && c == 4)) return 0;
    const int first = at(0, a);
    const int second = at(a, b);
    const int third = at(a + b, c);
    const auto day = [](int n) { return n >= 1 && n <= 31; };
    const auto month = [](int n) { return n >= 1 && n <= 12; };
    const bool holds =
        a == 4 ? month(second) && day(third) : (day(first) && month(second)) || (month(first) && day(second));
    return holds && !is_word(scan.before()) ? run.ends[2] : 0;
}

}  // namespace tidegate::audit::privacy
