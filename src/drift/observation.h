// Observation: what the drift monitor looks at of one decision.
//
// Privacy     Sizes, classes and numbers; no content.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tidegate::drift {

/// A value that should be there and is not: an answer without a score. It counts as a cell of its own.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
/// A value that cannot be there: the score of a request that failed. It is left out.
inline constexpr double kNotCounted = std::numeric_limits<double>::infinity();
/// The same for a word. A missing word is empty.
inline constexpr std::string_view kNoWord = "\x01";

/// Decisions that are compared with one another. `segment` is empty for all of them, else `tag=value` of a declared tag.
struct StreamKey {
    std::string service;
    std::string operation;
    std::string model;
    std::string tenant;
    std::string segment = {};
    friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};
/// `service/operation model tenant segment` with what is not empty, for logs.
std::string to_string(const StreamKey& key);

struct Observation {
    StreamKey key;                      // Of the whole: without a segment.
    std::vector<std::string> segments;  // `tag=value` of each declared tag that the decision has.
    UnixMillis at = 0;
    double failed = kNotCounted;  // 1: no answer, and not by the caller's fault; 0: answered.
    double confidence = kNotCounted;
    double input_size = kNotCounted;   // Bytes.
    double output_size = kNotCounted;  // Bytes of what is kept of the answer.
    double tokens = kNotCounted;
    double latency_us = kNotCounted;
    double text_length = kNotCounted;
    std::string band = std::string(kNoWord);
    std::string language = std::string(kNoWord);
    std::vector<double> numbers;  // As MonitorOptions::numbers names them.
};

}  // namespace tidegate::drift
