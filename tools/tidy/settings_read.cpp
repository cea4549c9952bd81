// How a setting is shown to be read, without running anything: `t.add("server.port", s.port, 8000)` binds
// `port`; some file that can see the struct (it includes, directly or through others, the header where it
// stands) must say `.port` or
// `->port` other than to assign it, outside the declarations. For `s.limits.idle_max` such a file must say
// `.limits`, and any file of src/ `.idle_max`: the part is handed on whole to a room that does not know the
// struct. An element of a list is declared by names without a dot, `t.add("path", route.path, "")`, and the list itself,
// `t.list("routes", s.routes, ...)`, counts as any other.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/strings.h"
#include "tidy/checks.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

struct Declaration {
    std::string path;
    int line = 0;
    std::string setting;
    std::vector<std::string> members;  // `limits`, `idle_max`
};

using Includes = std::map<std::string, std::set<std::string>>;

Includes includes_of(const Tree& tree) {
    Includes includes;
    for (const auto& [path, file] : tree) {
        if (!path.starts_with("src/") || !is_cpp(path)) continue;
        auto& found = includes[path];
        for (const std::string_view line : lines_of(file.text)) {
            if (!line.starts_with("#include \"")) continue;
            const std::string_view rest = line.substr(10);
            found.insert("src/" + std::string(rest.substr(0, rest.find('"'))));
        }
    }
    return includes;
}

/// Every file from which one of `roots` can be reached, with the roots.
std::set<std::string> files_that_see(const Includes& includes, std::set<std::string> roots) {
    for (bool grew = true; grew;) {
        grew = false;
        for (const auto& [path, included] : includes) {
            if (roots.contains(path)) continue;
            if (std::ranges::any_of(included, [&](const std::string& other) { return roots.contains(other); })) {
                grew = roots.insert(path).second;
            }
        }
    }
    return roots;
}

std::size_t end_of_argument(std::string_view code, std::size_t from) {
    int depth = 0;
    for (std::size_t at = from; at < code.size(); ++at) {
        if (code[at] == '(' || code[at] == '{') ++depth;
        if (depth == 0 && (code[at] == ',' || code[at] == ')')) return at;
        if (code[at] == ')' || code[at] == '}') --depth;
    }
    return code.size();
}

/// `s.port`, `s.limits.idle_max`: a member, as an undotted name must be bound to: other things have an `add` too.
bool is_member(std::string_view bound) {
    return bound.find('.') != std::string_view::npos &&
           std::ranges::all_of(bound, [](char c) { return is_word_char(c) || c == '.'; });
}

/// Takes the declarations made by `call` (`.add("`) in one file out of `code`, so that what is left are uses.
void take_declarations(const std::string& path, const SourceFile& file, std::string_view call, std::string& code,
                       std::vector<Declaration>& declarations) {
    for (std::size_t at = file.code.find(call); at != std::string::npos; at = file.code.find(call, at + 1)) {
        const std::size_t open = at + call.size();
        const std::size_t close = file.code.find('"', open);
        if (close == std::string::npos || file.code.substr(close + 1, 1) != ",") continue;
        const std::string setting = file.text.substr(open, close - open);
        const std::size_t end = end_of_argument(file.code, close + 2);
        const std::string_view bound = trim(std::string_view(file.code).substr(close + 2, end - close - 2));
        if (setting.find('.') == std::string::npos && !is_member(bound)) continue;
        Declaration declaration{path, line_of(file.code, at), setting, {}};
        const auto parts = split(bound, '.');
        for (std::size_t i = parts.size() > 1 ? 1 : 0; i < parts.size(); ++i)
            declaration.members.emplace_back(parts[i]);
        declarations.push_back(std::move(declaration));
        const std::size_t statement_end = std::min(file.code.find(';', end), file.code.size());
        std::fill(code.begin() + static_cast<std::ptrdiff_t>(at),
                  code.begin() + static_cast<std::ptrdiff_t>(statement_end), ' ');
    }
}

bool is_used(std::string_view code, const std::string& member) {
    for (std::size_t at = find_word(code, member); at != std::string_view::npos; at = find_word(code, member, at + 1)) {
        const std::string_view before = code.substr(0, at);
        if (!before.ends_with('.') && !before.ends_with("->")) continue;
        const std::string_view after = trim(code.substr(at + member.size(), 4));
        if (after.starts_with('=') && !after.starts_with("==")) continue;
        return true;
    }
    return false;
}

}  // namespace

Findings check_settings_are_read(const Tree& tree) {
    const Includes includes = includes_of(tree);
    std::map<std::string, std::string> uses;
    std::vector<Declaration> declarations;
    for (const auto& [path, included] : includes) {
        const SourceFile& file = tree.at(path);
        std::string& code = uses[path] = file.code;
        if (!included.contains("src/settings/table.h") && file.code.find("settings::Table") == std::string::npos)
            continue;
        take_declarations(path, file, ".add(\"", code, declarations);
        take_declarations(path, file, ".list(\"", code, declarations);
    }

    Findings findings;
    for (const Declaration& declaration : declarations) {
        std::set<std::string> roots{declaration.path};
        for (const std::string& header : includes.at(declaration.path)) {
            const auto file = tree.find(header);
            if (file != tree.end() && find_word(file->second.code, declaration.members.front()) != std::string::npos)
                roots.insert(header);
        }
        const auto seeing = files_that_see(includes, roots);
        const bool first = std::ranges::any_of(
            seeing, [&](const std::string& path) { return is_used(uses[path], declaration.members.front()); });
        const bool last = declaration.members.size() == 1 || std::ranges::any_of(uses, [&](const auto& entry) {
                              return is_used(entry.second, declaration.members.back());
                          });
        if (first && last) continue;
        findings.push_back(
            {declaration.path, declaration.line,
             "the setting " + declaration.setting + " is never read: nothing uses " + declaration.members.back()});
    }
    return findings;
}

}  // namespace tidegate::tidy
