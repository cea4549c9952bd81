#include "services/provenance/text/detector.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/hash.h"
#include "base/json_writer.h"
#include "base/utf8.h"
#include "services/provenance/text/embedded_model.h"
#include "services/provenance/text/explain.h"
#include "services/provenance/text/model_file.h"
#include "services/provenance/text/reading.h"

namespace tidegate::provenance::text {
namespace {

// The interval leaves out this share of the replicates on each side: 90 % in between.
constexpr double kTail = 0.05;
// Scratch memory above this many bytes of text is given back after the call.
constexpr std::size_t kScratchTextMax = 64U << 10U;
// A few look-alikes or invisible characters slip in by copy and paste; this many do not.
constexpr std::uint32_t kTricksMin = 3;
// Perhaps two writers: a fifth of the text scores under, and a fifth over, when five segments are averaged. Measured:
// 3 of 779 whole training texts are reported, and 81 of 129 that were joined from a human and a machine half.
constexpr double kMixedHuman = 0.3;
constexpr double kMixedMachine = 0.7;
constexpr double kMixedShare = 0.2;
constexpr std::size_t kMixedNeighbours = 2;

struct Scratch {
    Reading reading;
    DocumentScores scores;
    std::vector<std::array<double, kSegmentInputs>> inputs;
};

std::unique_ptr<Scratch>& scratch() {
    thread_local std::unique_ptr<Scratch> memory;
    if (!memory) memory = std::make_unique<Scratch>();
    return memory;
}

void find_interval(const Model& model, const StackResult& raw, double words, TextAnalysis& out) {
    const double raw_sum = sum_of(raw);
    const ByLength weights = length_weights(words);
    std::array<double, kReplicates> values{};
    for (std::size_t r = 0; r < kReplicates; ++r) {
        const Calibration& c = model.replicates[r];
        values[r] = at_length(c.scale, weights) * raw_sum + at_length(c.offset, weights);
    }
    std::ranges::sort(values);
    constexpr auto kSkip = static_cast<std::size_t>(kTail * kReplicates);
    out.interval_low = std::min(out.confidence, sigmoid(values[kSkip]));
    out.interval_high = std::max(out.confidence, sigmoid(values[kReplicates - 1 - kSkip]));
}

void find_flags(const Model& model, const Reading& reading, const DocumentScores& scores, TextAnalysis& out) {
    const TextTraits& traits = reading.normal().traits;
    const Familiarity& limits = model.familiarity;
    auto& flags = out.uncertainty_flags;
    const double letters = static_cast<double>(traits.latin_letters) + traits.foreign_letters;
    const double points = std::max(1.0, static_cast<double>(traits.code_points));
    if (scores.words < model.bands.words_min) flags.emplace_back("short_text");
    const bool foreign = traits.foreign_letters > limits.foreign_letters_max * letters;
    const bool few_function_words = scores.shown[kSignalFamilies] < limits.function_words_min;
    if (foreign || letters < 0.4 * points || few_function_words) flags.emplace_back("not_english");
    if (traits.code_symbols > limits.code_symbols_max * points) flags.emplace_back("looks_like_code");
    if (scores.shown[kSignalSurprise] > limits.surprise_max || scores.style_distance > limits.style_distance_max) {
        flags.emplace_back("unlike_training_data");
    }
    if (traits.homoglyphs >= kTricksMin) flags.emplace_back("homoglyphs");
    if (traits.zero_width >= kTricksMin) flags.emplace_back("zero_width_characters");
    if (traits.combining > 0.05 * points) flags.emplace_back("combining_marks");
}

// Flags that forbid a verdict. Tricks do not: they were undone, and what is left is judged.
bool forbids_verdict(const std::string& flag) {
    return flag == "short_text" || flag == "not_english" || flag == "looks_like_code" ||
           flag == "unlike_training_data" || flag == "combining_marks";
}

Band band_of(const Bands& bands, const TextAnalysis& analysis) {
    if (std::ranges::any_of(analysis.uncertainty_flags, forbids_verdict)) return Band::kUncertain;
    if (analysis.log_odds >= bands.ai_from) return Band::kAi;
    return analysis.log_odds < bands.human_below ? Band::kHuman : Band::kUncertain;
}

bool reads_mixed(const std::vector<Segment>& segments) {
    double human = 0, machine = 0, total = 0;
    for (std::size_t s = 0; s < segments.size(); ++s) {
        double sum = 0, length = 0;
        const std::size_t end = std::min(segments.size(), s + kMixedNeighbours + 1);
        for (std::size_t k = s - std::min(s, kMixedNeighbours); k < end; ++k) {
            const double own = segments[k].end - segments[k].start;
            sum += own * segments[k].score;
            length += own;
        }
        const double own = segments[s].end - segments[s].start;
        total += own;
        if (sum < kMixedHuman * length) human += own;
        if (sum > kMixedMachine * length) machine += own;
    }
    return total > 0 && human >= kMixedShare * total && machine >= kMixedShare * total;
}

void find_segments(const Model& model, Scratch& memory, AnalysisObserver* observer, TextAnalysis& out) {
    const Tokens& tokens = memory.reading.tokens();
    const std::vector<std::uint32_t>& origin = memory.reading.normal().origin;
    segment_inputs(tokens, memory.scores, memory.inputs);
    const std::size_t count = std::max<std::size_t>(1, tokens.sentences.size());
    for (std::size_t s = 0; s < count; ++s) {
        Segment segment{.start = 0, .end = out.code_points, .score = out.confidence};
        if (s > 0) segment.start = origin[tokens.tokens[tokens.sentences[s].token_begin].begin];
        if (s + 1 < count) segment.end = origin[tokens.tokens[tokens.sentences[s + 1].token_begin].begin];
        if (s < memory.inputs.size()) {
            double log_odds = model.segments.intercept;
            for (std::size_t i = 0; i < kSegmentInputs; ++i) {
                log_odds += model.segments.weight[i] * memory.inputs[s][i];
            }
            segment.score = sigmoid(log_odds);
        }
        out.segments.push_back(segment);
        if (observer != nullptr) observer->on_segment(segment);
    }
    if (reads_mixed(out.segments)) out.uncertainty_flags.emplace_back("mixed_scores");
}

void find_signals(const Model& model, const StackResult& parts, const DocumentScores& scores,
                  AnalysisObserver* observer, TextAnalysis& out) {
    out.signals.reserve(kSignalCount);
    for (std::size_t i = 0; i < kSignalCount; ++i) {
        out.signals.push_back({.name = std::string(signal_name(i)),
                               .value = scores.shown[i],
                               .contribution = parts.contributions[i],
                               .human_low = model.human_ranges[i].low,
                               .human_high = model.human_ranges[i].high,
                               .explanation = std::string(signal_meaning(i))});
        if (observer != nullptr) observer->on_signal(out.signals.back());
    }
}

std::string calibration_digest(const Model& model) {
    std::string bytes;
    for (const double value : model.calibration.scale) append_json_number(bytes += ' ', value);
    for (const double value : model.calibration.offset) append_json_number(bytes += ' ', value);
    for (const double value : {model.bands.ai_from, model.bands.human_below, model.bands.words_min}) {
        append_json_number(bytes += ' ', value);
    }
    return to_hex(sha256(bytes));
}

}  // namespace

std::string_view to_string(Band band) noexcept {
    switch (band) {
        case Band::kHuman:
            return "human";
        case Band::kUncertain:
            return "uncertain";
        case Band::kAi:
            return "ai";
    }
    return "uncertain";
}

TextDetector::TextDetector(std::unique_ptr<const ParsedModel> model)
    : model_(std::move(model)),
      model_version_("text-1.0+" + model_->hash.substr(0, 12)),
      calibration_version_("cal-" + calibration_digest(model_->model).substr(0, 12)) {}

TextDetector::~TextDetector() = default;

const std::string& TextDetector::model_hash() const noexcept {
    return model_->hash;
}
double TextDetector::ai_from() const noexcept {
    return model_->model.bands.ai_from;
}
double TextDetector::human_below() const noexcept {
    return model_->model.bands.human_below;
}

Result<std::unique_ptr<const TextDetector>> TextDetector::load(std::string_view bytes) {
    TG_TRY(ParsedModel parsed, parse_model(bytes));
    auto model = std::make_unique<const ParsedModel>(std::move(parsed));
    return std::unique_ptr<const TextDetector>(new TextDetector(std::move(model)));
}

Result<std::unique_ptr<const TextDetector>> TextDetector::embedded() {
    return load(embedded_model_bytes());
}

Result<TextAnalysis> TextDetector::analyse(std::string_view utf8, AnalysisObserver* observer) const {
    if (!utf8::is_valid(utf8)) return fail(ErrorCode::kInvalidArgument, "the text is not valid UTF-8");
    const Model& model = model_->model;
    Scratch& memory = *scratch();
    memory.reading.read(utf8);
    score_document(model, memory.reading, memory.scores);
    TextAnalysis out;
    out.word_count = memory.reading.tokens().words;
    out.code_points = memory.reading.normal().traits.code_points;
    const StackResult raw = apply_stack(model.stack, memory.scores.scores, memory.scores.words);
    const StackResult parts = calibrate(raw, model.calibration, memory.scores.words);
    out.intercept = parts.intercept;
    out.log_odds = sum_of(parts);
    out.confidence = sigmoid(out.log_odds);
    find_interval(model, raw, memory.scores.words, out);
    find_signals(model, parts, memory.scores, observer, out);
    find_flags(model, memory.reading, memory.scores, out);
    find_segments(model, memory, observer, out);
    out.band = band_of(model.bands, out);
    out.is_ai_generated = out.band == Band::kAi;
    out.explanation = explain(out);
    if (utf8.size() > kScratchTextMax) scratch().reset();
    return out;
}

}  // namespace tidegate::provenance::text
