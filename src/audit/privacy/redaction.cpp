#include "audit/privacy/redaction.h"

#include <algorithm>

#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

constexpr std::array<std::string_view, kPiiClasses> kNames{"email", "phone", "card", "iban", "national_id", "ip"};

enum Start : std::uint8_t { kNo, kDigit, kLetter, kAt, kPlus, kOpen, kColon, kLabelStart };

constexpr std::array<std::uint8_t, 256> kStarts = [] {
    std::array<std::uint8_t, 256> table{};
    for (std::size_t c = 0; c < 256; ++c) {
        const char as = static_cast<char>(c);
        if (is_digit(as)) table[c] = kDigit;
        if (is_letter(as) || as == '_') table[c] = kLetter;
    }
    table['@'] = kAt;
    table['+'] = kPlus;
    table['('] = kOpen;
    table[':'] = kColon;
    table['['] = kLabelStart;
    return table;
}();

std::size_t end_of_word(std::string_view text, std::size_t at) noexcept {
    while (at < text.size() && is_word(text[at])) ++at;
    return at;
}

// A label of ours: what was put there is not looked at again.
std::size_t end_of_label(std::string_view text, std::size_t at) noexcept {
    for (const std::string_view name : kNames) {
        const std::size_t end = at + 1 + name.size();
        if (end >= text.size() || text.substr(at + 1, name.size()) != name) continue;
        if (text[end] == ']') return end + 1;
        constexpr std::size_t kHex = 12;
        if (text[end] != ':' || end + kHex + 1 >= text.size() || text[end + kHex + 1] != ']') continue;
        if (std::ranges::all_of(text.substr(end + 1, kHex), is_hex)) return end + kHex + 2;
    }
    return 0;
}

// The digits go on from others: a decimal, a date, the middle of an identifier.
bool goes_on(const Scan& scan) noexcept {
    const char before = scan.before();
    if (before == '-' || before == '_') return is_word(scan.before(2));
    return (before == '.' || before == ',' || before == '/' || before == ':') && is_digit(scan.before(2));
}

class Finder {
  public:
    explicit Finder(std::string_view text) : text_(text) {}

    std::vector<Finding> run() {
        std::size_t i = 0;
        while (i < text_.size()) {
            const auto start = kStarts[static_cast<unsigned char>(text_[i])];
            i = start == kNo ? i + 1 : step(i, static_cast<Start>(start));
        }
        return std::move(found_);
    }

  private:
    std::size_t step(std::size_t i, Start start) {
        switch (start) {
            case kLetter:
                return take(match_word(i), i, [&] { return end_of_word(text_, i); });
            case kDigit:
                return digits(i);
            case kAt:
                return at_sign(i);
            case kPlus:
            case kOpen:
                return take(match_sign(i), i, [&] { return i + 1; });
            case kColon:
                if (i + 1 < text_.size() && text_[i + 1] == ':')
                    return take(match_ipv6({text_, i}), i, [&] { return i + 1; });
                return i + 1;
            case kLabelStart:
                return std::max(i + 1, end_of_label(text_, i));
            case kNo:
                break;
        }
        return i + 1;
    }

    template <class Otherwise>
    std::size_t take(const MaybeMatch& match, std::size_t begin, Otherwise otherwise) {
        if (!match) return otherwise();
        found_.push_back({begin, match->end, match->which, match->kind});
        return match->end;
    }

    MaybeMatch match_word(std::size_t i) const {
        const Scan scan{text_, i};
        if (!is_letter(scan.here())) return std::nullopt;
        if (scan.before() != '-' && scan.before() != '.') {
            if (const auto iban = match_iban(scan)) return iban;
            if (const auto id = match_letter_id(scan)) return id;
        }
        // At most four hex digits before its first colon.
        for (std::size_t j = 0; j < 5 && is_hex(scan.here(j)); ++j) {
            if (scan.here(j + 1) == ':') return match_ipv6(scan);
        }
        return std::nullopt;
    }

    std::size_t digits(std::size_t i) {
        const Scan scan{text_, i};
        const std::size_t word = end_of_word(text_, i);
        if (goes_on(scan)) return word;
        for (std::size_t j = 0; j < 5 && is_hex(scan.here(j)); ++j) {
            if (scan.here(j + 1) != ':') continue;
            if (const auto match = match_ipv6(scan)) return take(match, i, [&] { return word; });
        }
        const NumberRun run = read_run(text_, i);
        if (run.count < 4) return word;
        if (run.sizes[0] <= 3) {
            if (const auto match = match_ipv4(scan)) return take(match, i, [&] { return word; });
        }
        if (run.count < 7) return word;
        if (const std::size_t end = end_of_date(scan, run); end != 0) return end_of_word(text_, end);
        if (const auto match = match_card(scan, run)) return take(match, i, [&] { return word; });
        if (const auto match = match_numeric_id(scan, run)) return take(match, i, [&] { return word; });
        return take(match_phone(scan, run), i, [&] { return word; });
    }

    MaybeMatch match_sign(std::size_t i) const {
        const Scan scan{text_, i};
        if (is_word(scan.before()) || scan.before() == '+') return std::nullopt;
        const std::size_t first = text_[i] == '(' && scan.here(1) == '+' ? i + 2 : i + 1;
        if (first >= text_.size() || !is_digit(text_[first])) return std::nullopt;
        return match_phone(scan, read_run(text_, first));
    }

    std::size_t at_sign(std::size_t i) {
        const auto email = match_email(text_, i, found_.empty() ? 0 : found_.back().end);
        if (!email) return i + 1;
        found_.push_back(*email);
        return email->end;
    }

    const std::string_view text_;
    std::vector<Finding> found_;
};

}  // namespace

std::string_view to_string(PiiClass which) noexcept {
    return kNames[static_cast<std::size_t>(which)];
}

std::optional<PiiClass> parse_pii_class(std::string_view name) noexcept {
    const auto found = std::ranges::find(kNames, name);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<PiiClass>(found - kNames.begin());
}

std::vector<Finding> find_personal(std::string_view text) {
    return Finder(text).run();
}

}  // namespace tidegate::audit::privacy
