#include "services/module/module.h"

#include <fmt/core.h>

#include <cstdio>

namespace tidegate::service {

int wrong_use(std::string_view message) {
    fmt::print(stderr, "tidegate: {}\n", message);
    return 2;
}

int failed(const Error& error) {
    fmt::print(stderr, "tidegate: {}\n", error.message);
    return 1;
}

}  // namespace tidegate::service
