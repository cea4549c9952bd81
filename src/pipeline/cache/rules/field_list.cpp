#include "pipeline/cache/rules/field_list.h"

namespace tidegate::cache::rules {
namespace {

/// The position after the quoted string that begins at `open`; npos when it is never closed.
std::size_t end_of_quoted(std::string_view text, std::size_t open) noexcept {
    for (std::size_t i = open + 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            return i + 1;
        }
    }
    return std::string_view::npos;
}

}  // namespace

std::string_view next_member(std::string_view& rest) noexcept {
    std::size_t end = 0;
    while (end < rest.size() && rest[end] != ',') {
        if (rest[end] == '"') {
            if (const std::size_t after = end_of_quoted(rest, end); after != std::string_view::npos) {
                end = after;
                continue;
            }
        }
        ++end;
    }
    const std::string_view member = http::syntax::trim_blank(rest.substr(0, end));
    rest.remove_prefix(end < rest.size() ? end + 1 : end);
    return member;
}

}  // namespace tidegate::cache::rules
