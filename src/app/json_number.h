// A number of an answer of the server.
#pragma once

#include <cmath>
#include <string_view>

#include "base/json.h"

namespace tidegate::app {

/// NaN: there is none of that name.
inline double json_number(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    return found && found->is_number() ? found->as_double() : std::nan("");
}

}  // namespace tidegate::app
