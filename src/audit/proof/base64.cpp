#include "audit/proof/base64.h"

#include <array>
#include <cstdint>

namespace tidegate::audit::proof {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xFF;

constexpr std::array<std::uint8_t, 256> kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNone);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
        values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
    return static_cast<std::uint8_t>(bytes[i]);
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
        const std::uint32_t group = byte_at(bytes, i) << 16U | (n > 1 ? byte_at(bytes, i + 1) << 8U : 0U) |
                                    (n > 2 ? byte_at(bytes, i + 2) : 0U);
        text.push_back(kAlphabet[group >> 18U]);
        text.push_back(kAlphabet[group >> 12U & 63U]);
        text.push_back(n > 1 ? kAlphabet[group >> 6U & 63U] : '=');
        text.push_back(n > 2 ? kAlphabet[group & 63U] : '=');
    }
    return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t missing = i + 4 == text.size() ? padding : 0;
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            const std::uint8_t value = j + missing >= 4 ? 0 : kValues[byte_at(text, i + j)];
            if (value == kNone) return std::nullopt;
            group = group << 6U | value;
        }
        if (missing != 0 && (group & (missing == 1 ? 0xFFU : 0xFFFFU)) != 0) return std::nullopt;
        bytes.push_back(static_cast<char>(group >> 16U));
        if (missing < 2) bytes.push_back(static_cast<char>(group >> 8U & 0xFFU));
        if (missing < 1) bytes.push_back(static_cast<char>(group & 0xFFU));
    }
    return bytes;
}

}  // namespace tidegate::audit::proof
