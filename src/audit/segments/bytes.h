// Little-endian numbers in byte strings: what the files of the log are made of (docs/audit-format.md).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace tidegate::audit::segments {

using Bytes = std::span<const std::uint8_t>;

/// The unsigned or signed integer at `at`. The caller has made sure that it is there.
template <class T>
T get(const std::uint8_t* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1) {
        auto* bytes = reinterpret_cast<std::uint8_t*>(&value);
        std::reverse(bytes, bytes + sizeof value);
    }
    return value;
}

template <class T>
void put(std::uint8_t* at, T value) noexcept {
    if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1) {
        auto* bytes = reinterpret_cast<std::uint8_t*>(&value);
        std::reverse(bytes, bytes + sizeof value);
    }
    std::memcpy(at, &value, sizeof value);
}

inline bool all_zero(Bytes bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

inline std::string_view text_of(Bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace tidegate::audit::segments
