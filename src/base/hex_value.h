// The value of a hexadecimal digit, for those who read escapes, identifiers and sizes.
#pragma once

namespace tidegate {

/// 0 to 15; -1: `c` is no hexadecimal digit, of either case.
constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace tidegate
