// Latencies as the reports write them.
#pragma once

#include <fmt/format.h>

#include <string>

#include "load/latencies.h"

namespace tidegate::load {

constexpr double ms(double nanoseconds) noexcept {
    return nanoseconds / 1e6;
}

/// Milliseconds; without a good answer there is no latency, and 0 would be the best of all.
inline std::string latency_text(const Latencies& of, double nanoseconds) {
    return of.count() == 0 ? "-" : fmt::format("{:.3f}", ms(nanoseconds));
}

}  // namespace tidegate::load
