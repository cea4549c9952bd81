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
/// Of one family; the families follow each other in the order of Family.
std::size_t stylometry_size(Family family) noexcept;
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

/// Numbers the distinct values of a list, in order of first occurrence, and counts them. Reuses its memory.
class Tally {
  public:
    struct Entry {
        std::uint64_t hash = 0;
        std::uint32_t count = 0;
    };
    void run(std::span<const std::uint64_t> hashes);
    std::span<const Entry> distinct() const noexcept { return distinct_; }
    /// How often value `i` of the list stands in it; and its index in distinct().
    std::uint32_t count_of(std::size_t i) const noexcept { return distinct_[ids_[i]].count; }
    std::uint32_t id_of(std::size_t i) const noexcept { return ids_[i]; }

  private:
    std::vector<Entry> distinct_;
    std::vector<std::uint32_t> ids_;
    // Open addressing, a power of two, at most half full: id and one, so that 0 is free. Small, for it is cleared often.
    std::vector<std::uint32_t> places_;
};

/// Scratch memory, reused.
struct StylometryScratch {
    std::vector<std::uint64_t> hashes;  // Of the words of the window.
    std::vector<std::uint64_t> keys;    // Of word sequences that may repeat.
    std::vector<std::uint8_t> flags;
    std::vector<std::uint32_t> pairs;
    Tally words;
    Tally sequences;
    std::vector<std::uint32_t> function_counts;
};

/// `out` has stylometry_size() elements.
void measure_style(const NormalText& normal, const Tokens& tokens, const Window& window, StylometryScratch& scratch,
                   std::span<double> out, FamilyFacts& facts);

}  // namespace tidegate::provenance::text
