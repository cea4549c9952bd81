// A time as a number that atomics hold.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace tidegate::upstream {

/// Nanoseconds of SteadyTime.
constexpr std::int64_t ticks(SteadyTime time) noexcept {
    return time.time_since_epoch().count();
}

}  // namespace tidegate::upstream
