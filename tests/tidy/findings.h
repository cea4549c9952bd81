// What the tests of the source checks share: a check run on a made-up tree, its findings as "path:line".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tidy/checks.h"

namespace tidegate::tidy {

using Files = std::map<std::string, std::string>;

inline std::vector<std::string> places(Findings (*check)(const Tree&), const Files& files) {
    std::vector<std::string> out;
    for (const Finding& finding : check(make_tree(files)))
        out.push_back(finding.path + ":" + std::to_string(finding.line));
    return out;
}

inline std::string repeat(const std::string& line, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += line;
    return out;
}

}  // namespace tidegate::tidy
