#include "pipeline/identity/key_text.h"

#include <array>
#include <span>

#include "base/assert.h"

namespace tidegate::pipeline {
namespace {

constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::uint8_t kNotInAlphabet = 0xFF;

consteval std::array<std::uint8_t, 256> values_of(std::string_view alphabet) {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNotInAlphabet);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}
constexpr auto kBase32Values = values_of(kBase32);
constexpr auto kBase62Values = values_of(kBase62);

}  // namespace

std::optional<std::uint64_t> parse_public_id(std::string_view text) noexcept {
    if (text.size() != kPublicIdSize) return std::nullopt;
    std::uint64_t id = 0;
    for (const char c : text) {
        const std::uint8_t value = kBase32Values[static_cast<unsigned char>(c)];
        if (value == kNotInAlphabet) return std::nullopt;
        id = id << 5U | value;
    }
    return id == 0 ? std::nullopt : std::optional(id);
}

std::optional<KeyText> parse_key(std::string_view text) noexcept {
    if (text.size() != kKeySize || !text.starts_with(kKeyPrefix)) return std::nullopt;
    KeyText key;
    key.public_id = text.substr(kKeyPrefix.size(), kPublicIdSize);
    if (text[kKeyPrefix.size() + kPublicIdSize] != '_') return std::nullopt;
    key.secret = text.substr(kKeyPrefix.size() + kPublicIdSize + 1);
    const auto id = parse_public_id(key.public_id);
    if (!id) return std::nullopt;
    key.id = *id;
    std::uint8_t seen = 0;  // All values are below 64: a character outside the alphabet sets the top bit.
    for (const char c : key.secret) seen |= kBase62Values[static_cast<unsigned char>(c)];
    if ((seen & 0x80U) != 0) return std::nullopt;
    return key;
}

std::string make_public_id(Random& random) {
    std::uint64_t bits = 0;
    while (bits == 0) bits = random.next_u64() >> 4U;  // 60 bits.
    std::string text(kPublicIdSize, 'a');
    for (std::size_t i = kPublicIdSize; i-- > 0; bits >>= 5U) text[i] = kBase32[bits & 31U];
    return text;
}

std::string make_secret(Random& random) {
    std::array<std::uint32_t, 8> number{};  // Most significant word first.
    random.fill(std::as_writable_bytes(std::span(number)));
    // 62^43 > 2^256: 43 digits hold every value, so nothing is left after the last division.
    std::string text(kSecretSize, '0');
    for (std::size_t i = kSecretSize; i-- > 0;) {
        std::uint64_t rest = 0;
        for (std::uint32_t& word : number) {
            const std::uint64_t part = rest << 32U | word;
            word = static_cast<std::uint32_t>(part / 62);
            rest = part % 62;
        }
        text[i] = kBase62[rest];
    }
    for (const std::uint32_t word : number) TG_ASSERT(word == 0);
    return text;
}

}  // namespace tidegate::pipeline
