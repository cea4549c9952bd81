// What stands for a value that was not measured.
#pragma once

#include <limits>

namespace tidegate::performance {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

}  // namespace tidegate::performance
