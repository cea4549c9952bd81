// Model: all numbers the text detector learnt, as plain data, and the arithmetic that reads them.
//
// Guarantee   A document's log-odds are an intercept plus one contribution a signal, exactly, in the order of
//             signals. All arithmetic is in double, in one order.
// Algorithm   Logistic regressions over hashed n-grams and over stylometry, a character-model log ratio; a linear
//             stack of them whose weights depend on the length; a scale and an offset a length (Platt 1999).
// Threads     Immutable after training or parsing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/provenance/text/char_model.h"
#include "services/provenance/text/grams.h"
#include "services/provenance/text/stylometry.h"

namespace tidegate::provenance::text {

enum HashedHeadIndex : std::uint8_t { kCharHead, kWordHead, kSkeletonHead, kHashedHeadCount };
/// log2 of the slots of each head.
inline constexpr std::array<unsigned, kHashedHeadCount> kHeadBits = {18, 17, 16};

/// Logistic regression over hashed n-grams: weight = scale * stored.
struct HashedHead {
    double scale = 0;
    double bias = 0;
    std::vector<std::int16_t> weights;

    double weight(std::uint32_t slot) const noexcept { return scale * weights[slot]; }
    /// Log-odds of the window that was counted.
    double score(const GramCounter& counter) const noexcept;
};

/// Logistic regression over standardised stylometry.
struct StyleHead {
    std::vector<double> mean;
    std::vector<double> inverse_deviation;
    std::vector<double> weights;
    double bias = 0;

    /// Standardised and clipped value of feature `i`.
    double standardise(std::size_t i, double value) const noexcept;
};

// What the stack reads. The six stylometry families share one weight, so each keeps its own contribution.
enum SignalIndex : std::uint8_t {
    kSignalChars,
    kSignalWords,
    kSignalPhrases,
    kSignalCharModel,
    kSignalSurprise,
    kSignalSurpriseSpread,
    kSignalFamilies,
    kSignalCount = kSignalFamilies + kFamilyCount,
};
inline constexpr std::size_t kStackInputs = kSignalFamilies + 1;
constexpr std::size_t stack_input(std::size_t signal) noexcept {
    return signal < kSignalFamilies ? signal : std::size_t{kSignalFamilies};
}

/// One number a signal, for a window or, averaged by words, a document.
using SignalScores = std::array<double, kSignalCount>;

struct Stack {
    std::array<double, kSignalCount> centre{};  // Midway between the classes: 0 contribution there.
    std::array<double, kStackInputs> weight{};
    std::array<double, kStackInputs> weight_by_length{};
    double intercept = 0;
    double intercept_by_length = 0;
};

/// Knots of everything that depends on the length, in words; linear in ln(words) between them, constant outside.
inline constexpr std::array<double, 5> kLengthKnots = {25, 50, 100, 200, 400};
using ByLength = std::array<double, kLengthKnots.size()>;
/// Weight of each knot for a text of `words`; they sum to 1.
ByLength length_weights(double words) noexcept;
double at_length(const ByLength& values, const ByLength& weights) noexcept;

struct Calibration {
    ByLength scale{};
    ByLength offset{};
};
inline constexpr std::size_t kReplicates = 64;

struct Bands {
    double ai_from = 0;      // Log-odds at and above which the band is ai.
    double human_below = 0;  // Log-odds below which the band is human.
    double words_min = 0;    // Shorter texts are uncertain.
};

/// Limits outside which a text is not like the training data; each a percentile of it with a margin.
struct Familiarity {
    double function_words_min = 0;   // Function words per 100 words.
    double surprise_max = 0;         // Mean surprise of a character, nats.
    double style_distance_max = 0;   // Mean square of the standardised stylometry.
    double code_symbols_max = 0;     // Share of code points.
    double foreign_letters_max = 0;  // Share of letters.
};

inline constexpr std::size_t kSegmentInputs = 4;
struct SegmentHead {
    std::array<double, kSegmentInputs> weight{};
    double intercept = 0;
};

struct Range {
    double low = 0;
    double high = 0;
};

struct Model {
    std::string trained_on;   // Date, UTC.
    std::string data_digest;  // SHA-256 of the training file, hex.
    std::array<HashedHead, kHashedHeadCount> heads;
    StyleHead style;
    CharModel chars;
    Stack stack;
    Calibration calibration;
    std::array<Calibration, kReplicates> replicates;
    Bands bands;
    Familiarity familiarity;
    SegmentHead segments;
    std::array<Range, kSignalCount> human_ranges;  // 5th to 95th percentile of the shown values.
};

/// Contributions before calibration, in signal order, and their intercept; words of the text.
struct StackResult {
    std::array<double, kSignalCount> contributions{};
    double intercept = 0;
};
StackResult apply_stack(const Stack& stack, const SignalScores& scores, double words) noexcept;
/// Intercept plus contributions, added in signal order.
double sum_of(const StackResult& result) noexcept;
/// Same parts, scaled and shifted.
StackResult calibrate(const StackResult& raw, const Calibration& calibration, double words) noexcept;

double sigmoid(double log_odds) noexcept;

}  // namespace tidegate::provenance::text
