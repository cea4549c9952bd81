// The header fields that belong to one connection and never travel on (RFC 9110, 7.6.1).
#pragma once

#include <string_view>

#include "base/strings.h"
#include "http/syntax.h"

namespace tidegate::http {

/// Told apart by length first: most fields cost one comparison of a number.
inline bool is_connection_field(std::string_view name) noexcept {
    switch (name.size()) {
        case 2:
            return iequals(name, "te");
        case 7:
            return iequals(name, "trailer") || iequals(name, "upgrade");
        case 10:
            return iequals(name, "connection") || iequals(name, "keep-alive");
        case 16:
            return iequals(name, "proxy-connection");
        case 17:
            return iequals(name, "transfer-encoding");
        default:
            return false;
    }
}

/// Calls `take(element)` for each element of a comma-separated value, blanks removed.
template <class Take>
void for_each_element(std::string_view value, Take&& take) {
    while (!value.empty()) {
        const std::size_t comma = value.find(',');
        const std::string_view element = syntax::trim_blank(value.substr(0, comma));
        if (!element.empty()) take(element);
        if (comma == std::string_view::npos) return;
        value.remove_prefix(comma + 1);
    }
}

}  // namespace tidegate::http
