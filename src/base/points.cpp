#include "base/points.h"

#include <array>
#include <charconv>

namespace tidegate {
namespace {

constexpr std::int64_t kWholeMax =
    9'000'000'000;  // A billion sums of the largest would still fit 64 bits of thousandths.
constexpr std::size_t kPlacesMax = 3;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

}  // namespace

std::optional<Points> parse_points(std::string_view text) noexcept {
    std::size_t at = 0;
    std::int64_t whole = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) {
        whole = whole * 10 + (text[at] - '0');
        if (whole > kWholeMax) return std::nullopt;
    }
    if (at == 0 || (at > 1 && text[0] == '0')) return std::nullopt;
    std::int64_t milli = whole * 1000;
    if (at < text.size()) {
        if (text[at] != '.') return std::nullopt;
        const std::string_view places = text.substr(at + 1);
        if (places.empty() || places.size() > kPlacesMax) return std::nullopt;
        std::int64_t weight = 100;
        for (const char c : places) {
            if (!is_digit(c)) return std::nullopt;
            milli += (c - '0') * weight;
            weight /= 10;
        }
    }
    if (milli > kWholeMax * 1000) return std::nullopt;
    return Points{milli};
}

std::string to_string(Points points) {
    // Negated as unsigned, so that the smallest number has a magnitude too.
    const bool is_negative = points.milli < 0;
    const auto bits = static_cast<std::uint64_t>(points.milli);
    const std::uint64_t magnitude = is_negative ? 0 - bits : bits;
    std::array<char, 24> text;  // A sign, 17 digits, a point and three places.
    char* end = text.data();
    if (is_negative) *end++ = '-';
    end = std::to_chars(end, text.data() + text.size(), magnitude / 1000).ptr;
    const std::uint64_t rest = magnitude % 1000;
    if (rest != 0) {
        *end++ = '.';
        *end++ = static_cast<char>('0' + rest / 100);
        *end++ = static_cast<char>('0' + rest / 10 % 10);
        *end++ = static_cast<char>('0' + rest % 10);
        while (end[-1] == '0') --end;
    }
    return {text.data(), end};
}

}  // namespace tidegate
