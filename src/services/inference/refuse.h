// What is wrong with a request, as an error.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace tidegate::inference {

inline std::unexpected<Error> refuse(std::string why) {
    return fail(ErrorCode::kInvalidArgument, std::move(why));
}

}  // namespace tidegate::inference
