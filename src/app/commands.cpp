#include "app/commands.h"

#include <fmt/core.h>

namespace tidegate::app {

int wrong_use(const std::string& message) {
    fmt::print(stderr, "tidegate: {}\n", message);
    return 2;
}

}  // namespace tidegate::app
