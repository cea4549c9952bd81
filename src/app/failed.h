// How a command ends that could not do its work.
#pragma once

#include <fmt/core.h>

#include <cstdio>

#include "base/result.h"

namespace tidegate::app {

/// Says why on stderr; the status to end with.
inline int failed(const Error& error) {
    fmt::print(stderr, "tidegate: {}\n", error.message);
    return 1;
}

}  // namespace tidegate::app
