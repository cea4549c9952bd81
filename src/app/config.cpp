// `tidegate config show|check|reference`
#include <fmt/core.h>

#include "app/commands.h"

namespace tidegate::app {

int run_config(const Invocation& invocation) {
    const auto& words = invocation.words;
    if (words.size() == 1 && words[0] == "show") {
        fmt::print("{}", settings::render_table(invocation.resolved));
        return 0;
    }
    if (words.size() == 2 && words[0] == "show" && words[1] == "--json") {
        fmt::print("{}\n", settings::render_json(invocation.resolved));
        return 0;
    }
    if (words.size() == 1 && words[0] == "check") {
        // Faults have stopped the load already; what is left to say is what was found.
        fmt::print("{}\n", settings::render_check(invocation.resolved));
        return 0;
    }
    if (words.size() == 1 && words[0] == "reference") {
        fmt::print("{}", settings::render_reference(invocation.table));
        return 0;
    }
    return wrong_use("config takes one of: show [--json], check, reference");
}

}  // namespace tidegate::app
