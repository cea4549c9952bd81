// Stylometry: measurable habits of a writer that say little about the topic.
//
// Guarantee   Every value is finite for every window, the empty one included. The order of the features is part of
//             the model format (kFeatureVersion in model_file.h).
// Algorithm   Rates of function words (Mosteller and Wallace 1963), punctuation, sentence rhythm, richness of the
//             vocabulary, repetition, informality. Square roots of rates even out their variance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/provenance/text/tokens.h"

namespace tidegate::provenance::text {

enum class Family : std::uint8_t {
    kFunctionWords,
    kPunctuation,
    kRhythm,
    kVocabulary,
    kRepetition,
    kInformality,
};
inline constexpr std::size_t kFamilyCount = 6;

/// Number of features.
std::size_t stylometry_size() noexcept;
/// Family of feature `index`.
Family stylometry_family(std::size_t index) noexcept;
/// The one plain number that stands for a family when it is shown to people.
struct FamilyFacts {
    double values[kFamilyCount] = {};
};

/// Sentences [sentence_begin, sentence_end) of `tokens`.
struct Window {
    std::uint32_t sentence_begin = 0;
    std::uint32_t sentence_end = 0;
    std::uint32_t token_begin = 0;
    std::uint32_t token_end = 0;
    std::uint32_t words = 0;
};

/// Scratch memory, reused.
struct StylometryScratch {
    std::vector<std::uint64_t> hashes;
    struct Tally {
        std::uint64_t hash = 0;
        std::uint32_t count = 0;  // 0: the place is free.
    };
    std::vector<Tally> tallies;  // Open addressing, a power of two, at most half full.
    std::vector<std::uint32_t> function_counts;
};

/// `out` has stylometry_size() elements.
void measure_style(const NormalText& normal, const Tokens& tokens, const Window& window, StylometryScratch& scratch,
                   std::span<double> out, FamilyFacts& facts);

}  // namespace tidegate::provenance::text
