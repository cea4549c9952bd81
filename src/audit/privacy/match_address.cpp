#include <algorithm>
#include <array>

#include "audit/privacy/scan.h"

namespace tidegate::audit::privacy {
namespace {

constexpr std::size_t kLocalBytesMax = 64;    // RFC 5321, 4.5.3.1.1.
constexpr std::size_t kDomainBytesMax = 253;  // RFC 1035.

bool is_foreign(char c) noexcept {
    return static_cast<unsigned char>(c) >= 0x80;
}
bool is_local(char c) noexcept {
    return is_word(c) || is_foreign(c) || std::string_view(".+-%'&/=~!").find(c) != std::string_view::npos;
}
bool is_label(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '-' || is_foreign(c);
}

// What follows an `@` in a file's name (`logo@2x.png`), not in an address.
constexpr std::array<std::string_view, 11> kFileEndings{"png", "jpg", "jpeg", "gif", "svg", "webp",
                                                        "css", "js",  "pdf",  "ico", "avif"};

// The last label: letters alone, at least two, or an `xn--` name.
bool is_top_level(std::string_view label) noexcept {
    if (label.starts_with("xn--")) return label.size() > 4;
    if (label.size() < 2 || std::ranges::find(kFileEndings, label) != kFileEndings.end()) return false;
    return std::ranges::all_of(label, [](char c) { return is_letter(c) || is_foreign(c); });
}

// End of a domain that begins at `at`; 0: there is none.
std::size_t end_of_domain(std::string_view text, std::size_t at) noexcept {
    const std::size_t limit = std::min(text.size(), at + kDomainBytesMax);
    std::size_t good = 0;
    std::size_t label = at;
    std::size_t i = at;
    for (; i <= limit; ++i) {
        const bool inside = i < limit && is_label(text[i]);
        if (inside) continue;
        const std::string_view name = text.substr(label, i - label);
        if (name.empty() || name.starts_with('-') || name.ends_with('-') || name.size() > 63) break;
        if (label > at && is_top_level(name)) good = i;
        if (i >= limit || text[i] != '.') break;
        label = i + 1;
    }
    // Numbers or an underscore go on where the name should end: not a domain.
    return good == i || (good != 0 && text[good] == '.') ? good : 0;
}

}  // namespace

std::optional<Finding> match_email(std::string_view text, std::size_t at, std::size_t floor) noexcept {
    std::size_t begin = at;
    const std::size_t lowest = std::max(floor, at > kLocalBytesMax ? at - kLocalBytesMax : 0);
    while (begin > lowest && is_local(text[begin - 1])) --begin;
    // Marks may stand in a name but seldom begin one: `mail=anna@...`, `//user@...`, `...anna@`.
    const std::size_t mark = text.substr(begin, at - begin).find_last_of("/=");
    if (mark != std::string_view::npos) begin += mark + 1;
    while (begin < at && !is_word(text[begin]) && !is_foreign(text[begin])) ++begin;
    // The middle of a letter of another script is no beginning.
    while (begin < at && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) ++begin;
    if (begin == at || text[at - 1] == '.') return std::nullopt;
    const std::size_t end = end_of_domain(text, at + 1);
    if (end == 0) return std::nullopt;
    return Finding{begin, end, PiiClass::kEmail, "email"};
}

MaybeMatch match_ipv4(const Scan& scan) noexcept {
    std::size_t i = 0;
    for (int octet = 0; octet < 4; ++octet) {
        int n = 0;
        std::size_t digits = 0;
        while (digits < 3 && is_digit(scan.here(i))) {
            n = n * 10 + (scan.here(i++) - '0');
            ++digits;
        }
        if (digits == 0 || n > 255 || (digits > 1 && scan.here(i - digits) == '0')) return std::nullopt;
        if (octet < 3 && scan.here(i++) != '.') return std::nullopt;
    }
    const char next = scan.here(i);
    if (is_word(next) || (next == '.' && is_word(scan.here(i + 1))) || (next == '-' && is_letter(scan.here(i + 1)))) {
        return std::nullopt;
    }
    if (announced(scan.text, scan.at) == Announced::kVersion) return std::nullopt;
    return Match{scan.at + i, PiiClass::kIpAddress, "ipv4"};
}

MaybeMatch match_ipv6(const Scan& scan) noexcept {
    if (is_word(scan.before()) || scan.before() == ':') return std::nullopt;
    std::size_t i = 0;
    std::size_t groups = 0;
    bool gap = false;
    bool digit = false;
    while (groups < 8) {
        std::size_t size = 0;
        while (size < 5 && is_hex(scan.here(i))) {
            digit = digit || is_digit(scan.here(i));
            ++i;
            ++size;
        }
        if (size > 4) return std::nullopt;
        if (size > 0 && scan.here(i) == '.') {  // The last 32 bits as IPv4.
            const auto tail = match_ipv4({scan.text, scan.at + i - size});
            if (!tail || (groups != 6 && !gap)) return std::nullopt;
            return Match{tail->end, PiiClass::kIpAddress, "ipv6"};
        }
        if (size > 0) ++groups;
        if (size == 0 && !(groups == 0 && i == 0) && scan.here(i - 1) != ':') break;
        if (scan.here(i) != ':') break;
        if (scan.here(i + 1) == ':') {
            if (gap) return std::nullopt;
            gap = true;
            i += 2;
            if (!is_hex(scan.here(i))) break;
            continue;
        }
        if (size == 0 || !is_hex(scan.here(i + 1))) break;
        ++i;
    }
    if (is_word(scan.here(i)) || scan.here(i) == ':' || groups > 8) return std::nullopt;
    // Times, addresses of network cards and `a::b` of a program have no gap, no eight groups, or no digit.
    const bool whole = gap ? groups >= 1 && groups <= 7 && (digit || groups >= 3) : groups == 8;
    if (!whole) return std::nullopt;
    return Match{scan.at + i, PiiClass::kIpAddress, "ipv6"};
}

}  // namespace tidegate::audit::privacy
