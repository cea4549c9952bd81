// JSON slices: finds where values begin and end in a text, checking all of it, building nothing.
//
// Guarantee   Strict RFC 8259: what passes is JSON for every reader, with valid UTF-8, depth at most 64. Numbers of any
//             length pass unread.
// Threads     Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace tidegate::upstream {

struct JsonMember {
    std::string_view name;   // As it stands between the quotes, escapes not undone.
    std::string_view value;  // Without blanks around it.
};

/// The one value that `text` is, without the blanks around it; nullopt when it is not one.
std::optional<std::string_view> json_value(std::string_view text);
/// The elements of the array that `value` is; nullopt when it is none or not valid.
std::optional<std::vector<std::string_view>> json_elements(std::string_view value);
/// The members of the object that `value` is; nullopt when it is none or not valid.
std::optional<std::vector<JsonMember>> json_members(std::string_view value);

}  // namespace tidegate::upstream
