// Names and words for what the detector found.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "services/provenance/text/detector.h"
#include "services/provenance/text/model.h"

namespace tidegate::provenance::text {

/// Stable name of a signal, as in API.md.
std::string_view signal_name(std::size_t signal) noexcept;
/// What the signal's value is, and what high and low mean.
std::string_view signal_meaning(std::size_t signal) noexcept;
/// One or two sentences about the whole analysis; everything but `explanation` must be filled.
std::string explain(const TextAnalysis& analysis);

}  // namespace tidegate::provenance::text
