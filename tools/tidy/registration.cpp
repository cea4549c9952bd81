#include <algorithm>

#include "tidy/checks.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

bool names(const SourceFile& list, std::string_view file) {
    return find_word(list.text, file) != std::string::npos;
}

bool is_registered(const Tree& tree, const std::string& path) {
    // From the file's own folder upwards; the name as that folder's CMakeLists.txt would write it.
    std::size_t slash = path.rfind('/');
    const std::size_t parent = slash == 0 ? std::string::npos : path.rfind('/', slash - 1);
    while (slash != std::string::npos && slash > 0) {
        const auto list = tree.find(path.substr(0, slash) + "/CMakeLists.txt");
        if (list != tree.end() && names(list->second, path.substr(slash + 1))) return true;
        slash = path.rfind('/', slash - 1);
    }
    // A file that others share is named from elsewhere with its folder: `../support/server_process.cpp`.
    if (parent == std::string::npos) return false;
    return std::ranges::any_of(tree, [&](const auto& entry) {
        return entry.first.ends_with("CMakeLists.txt") && names(entry.second, path.substr(parent));
    });
}

}  // namespace

Findings check_registration(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        if (!path.ends_with(".cpp") || path.find('/') == std::string::npos) continue;
        if (is_registered(tree, path)) continue;
        findings.push_back({path, 1, "no CMakeLists.txt names this file: it is never built"});
    }
    return findings;
}

}  // namespace tidegate::tidy
