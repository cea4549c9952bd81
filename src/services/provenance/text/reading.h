// Reading: one text taken apart (normal form, tokens, windows) and scored by a model's base signals.
//
// Position    The one path from text to numbers; the trainer, the detector and the evaluation all walk it.
// Memory      About 1.5 MB of counters and the size of the text some thirty times; keep one a thread and reuse it.
// Threads     A Reading belongs to one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "services/provenance/text/char_model.h"
#include "services/provenance/text/grams.h"
#include "services/provenance/text/model.h"
#include "services/provenance/text/normalise.h"
#include "services/provenance/text/stylometry.h"
#include "services/provenance/text/tokens.h"

namespace tidegate::provenance::text {

/// A long text is read in windows of about this many words, and its signals are their mean: so a document is
/// always measured at a length the model was trained on, and time is linear.
inline constexpr std::uint32_t kWindowWordsMax = 320;

/// What one window measures, before any model.
struct WindowFeatures {
    std::vector<double> style;
    FamilyFacts facts;
};

/// Per sentence, sums over itself; the units are the base signals' own.
struct SentenceEvidence {
    double char_ratio = 0;
    double char_count = 0;
    double word_weight = 0;
    double word_count = 0;
    double phrase_weight = 0;
};

class Reading {
  public:
    Reading();

    /// Normalises, tokenises and cuts into windows.
    void read(std::string_view utf8);
    /// Counts the grams and measures the style of one window; the counters hold them until the next call.
    void measure(const Window& window);

    const NormalText& normal() const noexcept { return normal_; }
    const Tokens& tokens() const noexcept { return tokens_; }
    const std::vector<Window>& windows() const noexcept { return windows_; }
    const GramCounter& counter(std::size_t head) const noexcept { return counters_[head]; }
    const WindowFeatures& features() const noexcept { return features_; }
    /// Slots of the grams of the measured window that end at its token `i`: kWordGrams, and kSkeletonGrams from the
    /// fourth token on.
    std::span<const std::uint32_t> word_slots(std::size_t i) const noexcept {
        return std::span(slots_[kWordHead]).subspan(kWordGrams * i, kWordGrams);
    }
    std::span<const std::uint32_t> skeleton_slots(std::size_t i) const noexcept {
        // The first three tokens end 1, 2 and 3 grams, six fewer than four each.
        return std::span(slots_[kSkeletonHead]).subspan(kSkeletonGrams * i - 6, kSkeletonGrams);
    }
    /// Bytes of Tokens::lower that a window covers.
    std::string_view lower_of(const Window& window) const noexcept;

  private:
    NormalText normal_;
    Tokens tokens_;
    std::vector<Window> windows_;
    template <class EachGram>
    void count(std::size_t head, std::size_t kept, EachGram&& each_gram);

    std::array<GramCounter, kHashedHeadCount> counters_;
    std::array<std::vector<std::uint32_t>, kHashedHeadCount> slots_;  // Of the words' and phrases' grams, in order.
    WindowFeatures features_;
    StylometryScratch scratch_;
};

/// The signals of a whole text, and what is shown of them.
struct DocumentScores {
    SignalScores scores{};  // What the stack reads.
    SignalScores shown{};   // The plain numbers shown to people.
    double words = 0;
    double style_distance = 0;
    std::vector<SentenceEvidence> sentences;
    std::vector<CharScore> chars;
};

/// Scores what `reading` has read. Reuses the memory of `out`.
void score_document(const Model& model, Reading& reading, DocumentScores& out);

/// Inputs of the segment head for every sentence: its own evidence and its neighbours' until about 40 words.
void segment_inputs(const Tokens& tokens, const DocumentScores& scores,
                    std::vector<std::array<double, kSegmentInputs>>& out);

}  // namespace tidegate::provenance::text
