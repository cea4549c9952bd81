#include <array>
#include <set>

#include "tidy/checks.h"
#include "tidy/lexer.h"

namespace tidegate::tidy {
namespace {

// Written in two halves, or this file would find itself.
constexpr std::array<std::string_view, 4> kLeftovers{
    "FIX"
    "ME",
    "TO"
    "DO",
    "XX"
    "X",
    "HA"
    "CK"};
constexpr std::array<std::string_view, 3> kMachinePaths{
    "/wo"
    "rk/",
    "/ro"
    "ot/",
    "/ho"
    "me/"};

}  // namespace

Findings check_leftovers(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        for (const std::string_view word : kLeftovers) {
            const std::size_t at = find_word(file.text, word);
            if (at == std::string::npos) continue;
            findings.push_back(
                {path, line_of(file.text, at), std::string(word) + " is left over: do it, or open an issue"});
        }
    }
    return findings;
}

Findings check_machine_paths(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        for (const std::string_view machine_path : kMachinePaths) {
            for (std::size_t at = file.text.find(machine_path); at != std::string::npos;
                 at = file.text.find(machine_path, at + 1)) {
                // A folder of ours may have such a name; a path of a machine begins with it.
                if (at > 0 && (is_word_char(file.text[at - 1]) || file.text[at - 1] == '.')) continue;
                findings.push_back(
                    {path, line_of(file.text, at), std::string(machine_path) + " is a path of one machine"});
            }
        }
    }
    return findings;
}

Findings check_blanks(const Tree& tree) {
    Findings findings;
    for (const auto& [path, file] : tree) {
        const auto lines = lines_of(file.text);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const int number = static_cast<int>(i) + 1;
            if (lines[i].find('\t') != std::string_view::npos) findings.push_back({path, number, "a tab"});
            if (lines[i].find('\r') != std::string_view::npos) findings.push_back({path, number, "a carriage return"});
            if (lines[i].ends_with(' ')) findings.push_back({path, number, "a blank at the end of the line"});
        }
        if (!file.text.empty() && !file.text.ends_with('\n')) {
            findings.push_back({path, static_cast<int>(lines.size()), "no line end at the end of the file"});
        }
    }
    return findings;
}

}  // namespace tidegate::tidy
