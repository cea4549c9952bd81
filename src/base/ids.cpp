#include "base/ids.h"

#include "base/hash.h"
#include "base/hex_value.h"

namespace tidegate {

Uuid make_uuid7(const Clock& clock, Random& random) {
    Uuid uuid;
    random.fill(std::as_writable_bytes(std::span(uuid.bytes).subspan(6)));
    auto time = static_cast<std::uint64_t>(clock.unix_ms());
    for (std::size_t i = 6; i-- > 0; time >>= 8U) uuid.bytes[i] = static_cast<std::uint8_t>(time);
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0FU) | 0x70U);  // Version 7.
    uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3FU) | 0x80U);  // Variant 10.
    return uuid;
}

std::string to_string(const Uuid& uuid) {
    std::string text(36, '-');
    const std::uint8_t* bytes = uuid.bytes.data();
    char* out = text.data();
    write_hex(bytes, 4, out);
    write_hex(bytes + 4, 2, out + 9);
    write_hex(bytes + 6, 2, out + 14);
    write_hex(bytes + 8, 2, out + 19);
    write_hex(bytes + 10, 6, out + 24);
    return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    Uuid uuid;
    std::size_t nibble = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        const int value = hex_value(text[i]);
        if (value < 0) return std::nullopt;
        auto& byte = uuid.bytes[nibble / 2];
        byte = static_cast<std::uint8_t>((byte << 4U) | static_cast<unsigned>(value));
        ++nibble;
    }
    return uuid;
}

UnixMillis unix_ms_of(const Uuid& uuid) noexcept {
    std::int64_t time = 0;
    for (std::size_t i = 0; i < 6; ++i) time = (time << 8) | uuid.bytes[i];
    return time;
}

bool is_valid_request_id(std::string_view text) noexcept {
    if (text.empty() || text.size() > 128) return false;
    for (const char c : text) {
        if (c < '!' || c > '~') return false;
    }
    return true;
}

}  // namespace tidegate
