// tidegate_tidy ROOT: runs the source checks; a line a finding, then `ok NAME` or `not ok NAME` a check.
#include <fmt/core.h>

#include "tidy/checks.h"

int main(int argc, char** argv) {
    using namespace tidegate::tidy;
    if (argc != 2) {
        fmt::print(stderr, "usage: tidegate_tidy ROOT\n");
        return 2;
    }
    const auto tree = read_tree(argv[1]);
    if (!tree || !tree->contains("CMakeLists.txt")) {
        fmt::print(stderr, "tidy: {}\n", tree ? "this is not the root of a checkout" : tree.error().message);
        return 2;
    }
    bool clean = true;
    for (const Check& check : all_checks()) {
        const Findings findings = check.run(*tree);
        for (const Finding& finding : findings) fmt::print("{}:{}: {}\n", finding.path, finding.line, finding.message);
        if (findings.empty()) {
            fmt::print("ok {}\n", check.name);
        } else {
            fmt::print("not ok {} ({})\n", check.name, findings.size());
            clean = false;
        }
    }
    return clean ? 0 : 1;
}
