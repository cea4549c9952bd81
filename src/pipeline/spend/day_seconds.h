// The length of a day on which the clock is not changed.
#pragma once

#include <cstdint>

namespace tidegate::pipeline::spend {

inline constexpr std::int64_t kDayS = 86'400;

}  // namespace tidegate::pipeline::spend
