// Any valid UTF-8 is answered: finite numbers, exact additivity, segments that cover the text, and the same twice.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/utf8.h"
#include "services/provenance/text/dataset.h"
#include "services/provenance/text/detector.h"

namespace text = tidegate::provenance::text;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto detector = text::TextDetector::embedded();
    TG_ASSERT(detector.has_value());
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    static_cast<void>(text::parse_samples(input));
    const auto analysis = (*detector)->analyse(input);
    TG_ASSERT(analysis.has_value() == tidegate::utf8::is_valid(input));
    if (!analysis) return 0;
    double sum = analysis->intercept;
    for (const text::Signal& signal : analysis->signals) {
        TG_ASSERT(std::isfinite(signal.value) && std::isfinite(signal.contribution));
        sum += signal.contribution;
    }
    TG_ASSERT(sum == analysis->log_odds);
    TG_ASSERT(analysis->segments.front().start == 0);
    TG_ASSERT(analysis->segments.back().end == tidegate::utf8::length(input));
    for (std::size_t i = 1; i < analysis->segments.size(); ++i) {
        TG_ASSERT(analysis->segments[i].start == analysis->segments[i - 1].end);
    }
    const auto again = (*detector)->analyse(input);
    TG_ASSERT(again->log_odds == analysis->log_odds && again->explanation == analysis->explanation);
    return 0;
}
