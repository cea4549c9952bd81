// Measures: the numbers that people ask for, each computed from any sample, of ten seconds or of a month.
//
// Guarantee   NaN where the sample holds too little: no request has no latency. Percentiles come from the sample's own counts.
// Threads     Pure functions.
#pragma once

#include <span>
#include <string_view>

#include "performance/levels.h"
#include "performance/sample.h"

namespace tidegate::performance {

/// Which way is worse.
enum class Worse : std::uint8_t { kHigher, kLower, kNeither };

struct Measure {
    std::string_view name;
    std::string_view unit;
    Worse worse;
    double (*of)(const Sample& sample);
};

std::span<const Measure> measures() noexcept;
/// Null: there is none of that name.
const Measure* find_measure(std::string_view name) noexcept;
/// All measures and all values of a sample, by name: a total as what it grew by.
Reading reading_of(const Sample& sample);

}  // namespace tidegate::performance
