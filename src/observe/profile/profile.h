// Profile: what a sampler has gathered, as stacks with values; what pprof.h and flame.h write down.
//
// Threads     Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace tidegate::profile {

/// Deepest stack that is kept. Ours are 20 to 45 deep from the thread's start to a handler's innermost call.
inline constexpr std::size_t kFramesMax = 96;

struct ValueType {
    std::string type;  // `cpu`, `samples`, `delay`, `inuse_space`
    std::string unit;  // `nanoseconds`, `count`, `bytes`
};

struct Sample {
    /// Innermost first. Of a caller: an address inside its call, so that a call at the very end of a function is its own.
    std::vector<std::uintptr_t> stack;
    std::vector<std::int64_t> values;  // One for each of Profile::types.
    std::string thread;                // Its name; empty where threads do not matter.
};

struct Profile {
    std::vector<ValueType> types;
    std::vector<Sample> samples;  // One for each different stack (of a thread's name).
    ValueType period_type;
    std::int64_t period = 0;    // Between two samples, in period_type's unit.
    UnixMillis taken_at = 0;    // Its end.
    Duration duration{};        // What it covers.
    std::uint64_t dropped = 0;  // Samples for which there was no room.
    std::uint64_t missed = 0;   // Threads for which the system gave no timer.
};

}  // namespace tidegate::profile
