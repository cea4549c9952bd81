// TextAnswer: the analysis of one text as the contract shows it, and as the record keeps it.
//
// Guarantee   Single, batch and stream render through here: the same text and model give the same bytes,
// apart from
//             `analysis_id` and `processing_time_ms`, which belong to the one answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/decision.h"
#include "base/json_writer.h"
#include "pipeline/schema.h"
#include "services/provenance/text/detector.h"

namespace tidegate::provenance {

using text::Band;
using text::Segment;
using text::Signal;
using text::TextAnalysis;
using text::TextModel;

/// What the caller told us about the text.
struct TextContext {
    std::string domain;    // Empty: not told.
    std::string language;  // Empty: not told.
};

/// The analysis with what the caller told us taken into account: a text that is declared to be in a language
/// we were not trained on gets the band `uncertain`, whatever its score.
Result<TextAnalysis> analyse_text(const TextModel& detector, std::string_view utf8, const TextContext& told,
                                  text::AnalysisObserver* observer = nullptr);

struct TextAnswer {
    const TextAnalysis& analysis;
    std::string_view analysis_id;
    std::string_view model_version;
    std::string_view calibration_version;
    double processing_time_ms = 0;  // Of the detector, measured for this answer.
};

/// An analysis as it is written, without what belongs to the one answer.
struct WrittenText {
    std::string members;  // Of the answer, without the braces: what stands between its id and its time.
    std::string verdict;  // The JSON object that the record keeps of it by default.
    std::string_view band;
    double confidence = 0;
};
WrittenText write_text(const TextAnalysis& analysis, std::string_view model_version,
                       std::string_view calibration_version);

void write_signal(JsonWriter& writer, const Signal& signal);
void write_segment(JsonWriter& writer, const Segment& segment);
/// The members of the answer, without the braces.
void write_members(JsonWriter& writer, const TextAnswer& answer);
pipeline::Schema text_answer_schema();

/// The same of one that is written already.
void write_members(JsonWriter& writer, const WrittenText& written, std::string_view analysis_id,
                   double processing_time_ms);

/// Fills output, band, confidence, model and tags of a decision about this answer.
void fill_decision(audit::Decision& decision, const TextAnswer& answer, const TextContext& told, bool keep_whole);
/// The same; `output` is what the record keeps of the answer.
void fill_decision(audit::Decision& decision, const WrittenText& written, std::string_view model_version,
                   const TextContext& told, std::string output);

}  // namespace tidegate::provenance
