#include "base/utf8.h"

#include <simdjson.h>

namespace tidegate::utf8 {
namespace {

// Length of the well-formed sequence at `position` (Unicode 15, table 3-7), 0 when it is ill-formed.
std::size_t decode(std::string_view bytes, std::size_t position, char32_t& out) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[position + i]); };
    const std::size_t left = bytes.size() - position;
    const unsigned first = byte(0);
    const auto continuation = [&](std::size_t i) { return i < left && (byte(i) & 0xC0U) == 0x80U; };
    if (first < 0x80) {
        out = first;
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF && continuation(1)) {
        out = (first & 0x1FU) << 6U | (byte(1) & 0x3FU);
        return 2;
    }
    if (first >= 0xE0 && first <= 0xEF && continuation(1) && continuation(2)) {
        out = (first & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
        const bool well_formed = out >= 0x800 && (out < 0xD800 || out > 0xDFFF);
        return well_formed ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4 && continuation(1) && continuation(2) && continuation(3)) {
        out = (first & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U | (byte(2) & 0x3FU) << 6U | (byte(3) & 0x3FU);
        return out >= 0x10000 && out <= 0x10FFFF ? 4 : 0;
    }
    return 0;
}

}  // namespace

bool is_valid(std::string_view bytes) noexcept {
    return simdjson::validate_utf8(bytes.data(), bytes.size());
}

std::size_t length(std::string_view text) noexcept {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
    return count;
}

char32_t next(std::string_view bytes, std::size_t& position) noexcept {
    char32_t code_point = kReplacement;
    const std::size_t size = decode(bytes, position, code_point);
    position += size == 0 ? 1 : size;
    return size == 0 ? kReplacement : code_point;
}

void append(std::string& out, char32_t c) {
    if (c < 0x80) {
        out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        out.push_back(static_cast<char>(0xC0U | c >> 6U));
        out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
    } else if (c < 0x10000) {
        out.push_back(static_cast<char>(0xE0U | c >> 12U));
        out.push_back(static_cast<char>(0x80U | (c >> 6U & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
    } else {
        out.push_back(static_cast<char>(0xF0U | c >> 18U));
        out.push_back(static_cast<char>(0x80U | (c >> 12U & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | (c >> 6U & 0x3FU)));
        out.push_back(static_cast<char>(0x80U | (c & 0x3FU)));
    }
}

}  // namespace tidegate::utf8
