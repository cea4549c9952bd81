// The source checks: each reads the tree and says what breaks a rule of the house.
//
// A new check is one function here, one row in checks.cpp and one test in tests/tidy that proves that it
// fires.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidy/tree.h"

namespace tidegate::tidy {

struct Finding {
    std::string path;
    int line = 0;
    std::string message;
};
using Findings = std::vector<Finding>;

/// A room includes rooms on lower floors only; every include is rooted at src/ and names a file that exists.
Findings check_floors(const Tree& tree);
/// No C++ file over 500 lines.
Findings check_file_size(const Tree& tree);
/// No function over 80 lines.
Findings check_function_size(const Tree& tree);
/// A header opens with a comment that says what it is, and has `#pragma once`.
Findings check_header_opening(const Tree& tree);
/// No call that we have a better one for.
Findings check_banned_calls(const Tree& tree);
/// No aggregate or capturing lambda inside a co_await expression: GCC 12 destroys it twice.
Findings check_coroutine_temporaries(const Tree& tree);
/// Every .cpp file is named in the CMakeLists.txt of its folder or of one above it.
Findings check_registration(const Tree& tree);
/// No note to come back later.
Findings check_leftovers(const Tree& tree);
/// No path of one person's machine.
Findings check_machine_paths(const Tree& tree);
/// No tab, no blank at the end of a line, no carriage return; a line end at the end of a file.
Findings check_blanks(const Tree& tree);
/// The variable behind every declared setting is used outside its declaration.
Findings check_settings_are_read(const Tree& tree);

struct Check {
    std::string_view name;
    Findings (*run)(const Tree&);
};
const std::vector<Check>& all_checks();

}  // namespace tidegate::tidy
