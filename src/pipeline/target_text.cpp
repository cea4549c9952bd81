#include "pipeline/target_text.h"

#include <algorithm>
#include <tuple>

namespace tidegate::pipeline {

void append_percent(std::string& out, std::string_view text, std::string_view also) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || c == '-' || c == '.' || c == '_' || c == '~' || also.find(c) != std::string_view::npos) {
            out.push_back(c);
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(kDigits[byte >> 4U]);
            out.push_back(kDigits[byte & 0xfU]);
        }
    }
}

std::string target_text(std::string_view decoded_path, const std::vector<std::pair<std::string, std::string>>& query) {
    using Pair = std::pair<std::string, std::string>;
    std::string out;
    out.reserve(decoded_path.size() + 16);
    append_percent(out, decoded_path, "/");
    std::vector<const Pair*> sorted;
    sorted.reserve(query.size());
    for (const Pair& pair : query) sorted.push_back(&pair);
    // By name, then by place: which of two values of one name comes first may matter.
    std::ranges::sort(sorted,
                      [](const Pair* a, const Pair* b) { return std::tie(a->first, a) < std::tie(b->first, b); });
    char before = '?';
    for (const Pair* pair : sorted) {
        out.push_back(std::exchange(before, '&'));
        append_percent(out, pair->first);
        out.push_back('=');
        append_percent(out, pair->second);
    }
    return out;
}

}  // namespace tidegate::pipeline
