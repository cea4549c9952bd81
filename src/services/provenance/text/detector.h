// TextDetector: was this text written by a machine? A calibrated, explained, bounded answer.
//
// Position    The public face of the room `provenance_text`; routes, the command line and the evaluation call this.
// Guarantee   Same text, same model: the same analysis, bit for bit, with or without an observer, on any thread. The
//             log-odds are the intercept plus the contributions, added in the order of `signals`, exactly.
//             Time and memory are linear in the text.
// Algorithm   See models/text_detector/CARD.md.
// Threads     Immutable after load(); analyse() may be called from any number of threads. Scratch memory is kept a thread
//             (about 1.5 MB, and some thirty times the longest text seen, cut back when that was large).
// When it fails  analyse() refuses what is not valid UTF-8 (kInvalidArgument); the caller limits the length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidegate::provenance::text {

struct Signal {
    std::string name;         // Stable: `char_ngrams`, `function_words`, ...
    double value = 0;         // In the unit that `explanation` names.
    double contribution = 0;  // To the log-odds; above 0 speaks for a machine.
    double human_low = 0;     // 5th and 95th percentile of human training texts.
    double human_high = 0;
    std::string explanation;
};

/// One sentence, or a few short ones. Segments follow each other without gaps and cover the whole text.
struct Segment {
    std::uint32_t start = 0;  // Code points of the caller's text; end is exclusive.
    std::uint32_t end = 0;
    double score = 0;  // 0 (human) to 1 (machine), judged with its neighbours. A hint, no verdict.
};

enum class Band : std::uint8_t { kHuman, kUncertain, kAi };
/// `human`, `uncertain`, `ai`.
std::string_view to_string(Band band) noexcept;

struct TextAnalysis {
    double confidence = 0;  // Calibrated probability that a machine wrote it.
    double log_odds = 0;
    double intercept = 0;
    double interval_low = 0;  // 90 % interval of `confidence`, always around it.
    double interval_high = 0;
    Band band = Band::kUncertain;
    bool is_ai_generated = false;  // Only in band ai.
    std::vector<Signal> signals;
    std::vector<Segment> segments;
    // short_text, not_english, unlike_training_data, looks_like_code, homoglyphs, zero_width_characters,
    // combining_marks, mixed_scores.
    std::vector<std::string> uncertainty_flags;
    std::string explanation;
    std::uint32_t word_count = 0;
    std::uint32_t code_points = 0;
};

/// Hears of each signal and segment as soon as it is known, in the order of the analysis, on the caller's thread.
class AnalysisObserver {
  public:
    virtual ~AnalysisObserver() = default;
    virtual void on_signal(const Signal& signal) = 0;
    virtual void on_segment(const Segment& segment) = 0;
};

struct ParsedModel;

/// The seam: what the service asks, so that a test can put a model in its place that fails. Const, from any thread.
class TextModel {
  public:
    virtual ~TextModel() = default;
    virtual Result<TextAnalysis> analyse(std::string_view utf8, AnalysisObserver* observer = nullptr) const = 0;
    virtual const std::string& model_version() const noexcept = 0;
    virtual const std::string& calibration_version() const noexcept = 0;
};

class TextDetector final : public TextModel {
  public:
    /// Parses a model file's bytes; the caller's buffer may go.
    static Result<std::unique_ptr<const TextDetector>> load(std::string_view bytes);
    /// The model that was linked into this binary.
    static Result<std::unique_ptr<const TextDetector>> embedded();
    ~TextDetector() override;

    Result<TextAnalysis> analyse(std::string_view utf8, AnalysisObserver* observer = nullptr) const override;

    /// `text-1.0+` and the first 12 digits of the model's hash.
    const std::string& model_version() const noexcept override { return model_version_; }
    /// `cal-` and the first 12 digits of the hash of the calibration alone.
    const std::string& calibration_version() const noexcept override { return calibration_version_; }
    /// SHA-256 of the model, hex.
    const std::string& model_hash() const noexcept;
    /// Log-odds from which the band is ai, and below which it is human.
    double ai_from() const noexcept;
    double human_below() const noexcept;

  private:
    explicit TextDetector(std::unique_ptr<const ParsedModel> model);

    std::unique_ptr<const ParsedModel> model_;
    std::string model_version_;
    std::string calibration_version_;
};

}  // namespace tidegate::provenance::text
