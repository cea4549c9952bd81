// Walking comma-separated lists in header fields, without copies.
#pragma once

#include <string_view>

#include "base/strings.h"
#include "http/message.h"
#include "http/syntax.h"

namespace tidegate::cache::rules {

/// The next member of `rest`, without the blanks around it; `rest` moves past its comma. A comma inside a quoted string does not
/// separate; a quote that is never closed is an ordinary character.
std::string_view next_member(std::string_view& rest) noexcept;

/// `visit(member)` for every member that is not empty, of every line of that name.
template <class Visit>
void for_each_member(const http::Headers& headers, std::string_view name, Visit&& visit) {
    for (const auto& [field, value] : headers.fields()) {
        if (field.size() != name.size() || !iequals(field, name)) continue;
        std::string_view rest = value;
        while (!rest.empty()) {
            const std::string_view member = next_member(rest);
            if (!member.empty()) visit(member);
        }
    }
}

}  // namespace tidegate::cache::rules
