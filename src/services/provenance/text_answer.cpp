#include "services/provenance/text_answer.h"

#include <algorithm>

#include "base/strings.h"

namespace tidegate::provenance {
namespace {

using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

/// `en`, `en-GB`, `EN_us`, ...
bool is_english(std::string_view language) {
    const std::string name = to_lower(language);
    return name == "en" || name.starts_with("en-") || name.starts_with("en_") || name == "eng" || name == "english";
}

void write_verdict(JsonWriter& writer, const TextAnalysis& analysis) {
    writer.field("is_ai_generated", analysis.is_ai_generated);
    writer.field("confidence", analysis.confidence);
    writer.field("decision_band", text::to_string(analysis.band));
    writer.key("interval").begin_array().value(analysis.interval_low).value(analysis.interval_high).end_array();
}

void write_flags(JsonWriter& writer, const TextAnalysis& analysis) {
    writer.key("uncertainty_flags").begin_array();
    for (const std::string& flag : analysis.uncertainty_flags) writer.value(std::string_view(flag));
    writer.end_array();
}

/// What the same text and model always give.
void write_lasting(JsonWriter& writer, const TextAnalysis& analysis, std::string_view model_version,
                   std::string_view calibration_version) {
    write_verdict(writer, analysis);
    writer.field("log_odds", analysis.log_odds).field("intercept", analysis.intercept);
    writer.field("calibration_version", calibration_version).field("model_version", model_version);
    writer.key("signals").begin_array();
    for (const Signal& signal : analysis.signals) write_signal(writer, signal);
    writer.end_array().key("segments").begin_array();
    for (const Segment& segment : analysis.segments) write_segment(writer, segment);
    writer.end_array();
    write_flags(writer, analysis);
    writer.field("word_count", analysis.word_count);
    writer.field("explanation", analysis.explanation);
}

/// What the record keeps unless it keeps all.
void write_kept(JsonWriter& writer, const TextAnalysis& analysis) {
    writer.begin_object();
    write_verdict(writer, analysis);
    writer.field("log_odds", analysis.log_odds);
    write_flags(writer, analysis);
    writer.field("word_count", analysis.word_count);
    writer.end_object();
}

void fill_names(audit::Decision& decision, std::string_view band, double confidence, std::string_view model_version,
                const TextContext& told) {
    decision.model = "text_detector";
    decision.model_version = model_version;
    decision.band = band;
    decision.confidence = confidence;
    if (!told.domain.empty()) decision.tags.push_back({"domain", told.domain});
    if (!told.language.empty()) decision.tags.push_back({"language", told.language});
}

Schema signal_schema() {
    return Schema::object({
        required("name", Schema::string()),
        required("value", Schema::number()),
        required("contribution",
                 Schema::number().doc("Share of the log-odds; with `intercept` all add up to `log_odds`.")),
        required("human_range",
                 Schema::array(Schema::number()).size(2, 2).doc("5th to 95th percentile of human training texts.")),
        required("explanation", Schema::string()),
    });
}

Schema segment_schema() {
    return Schema::object({
        required("start", Schema::integer().doc("In characters (code points) of the text that was sent.")),
        required("end", Schema::integer().doc("One past the last character.")),
        required("score",
                 Schema::number().range(0, 1).doc("How machine-like the sentence reads; less certain than the whole.")),
    });
}

}  // namespace

Result<TextAnalysis> analyse_text(const TextModel& detector, std::string_view utf8, const TextContext& told,
                                  text::AnalysisObserver* observer) {
    TG_TRY(TextAnalysis analysis, detector.analyse(utf8, observer));
    if (!told.language.empty() && !is_english(told.language)) {
        analysis.band = Band::kUncertain;
        analysis.is_ai_generated = false;
        analysis.uncertainty_flags.emplace_back("declared_language_not_supported");
        analysis.explanation =
            "The text is declared to be in a language the detector was not trained on, so it takes no "
            "side. " +
            analysis.explanation;
    }
    return analysis;
}

void write_signal(JsonWriter& writer, const Signal& signal) {
    writer.begin_object();
    writer.field("name", signal.name).field("value", signal.value).field("contribution", signal.contribution);
    writer.key("human_range").begin_array().value(signal.human_low).value(signal.human_high).end_array();
    writer.field("explanation", signal.explanation);
    writer.end_object();
}

void write_segment(JsonWriter& writer, const Segment& segment) {
    writer.begin_object()
        .field("start", segment.start)
        .field("end", segment.end)
        .field("score", segment.score)
        .end_object();
}

void write_members(JsonWriter& writer, const TextAnswer& answer) {
    writer.field("analysis_id", answer.analysis_id);
    write_lasting(writer, answer.analysis, answer.model_version, answer.calibration_version);
    writer.field("processing_time_ms", answer.processing_time_ms);
}

void write_members(JsonWriter& writer, const WrittenText& written, std::string_view analysis_id,
                   double processing_time_ms) {
    writer.field("analysis_id", analysis_id).raw(written.members).field("processing_time_ms", processing_time_ms);
}

WrittenText write_text(const TextAnalysis& analysis, std::string_view model_version,
                       std::string_view calibration_version) {
    WrittenText written{.band = text::to_string(analysis.band), .confidence = analysis.confidence};
    JsonWriter members(written.members);
    write_lasting(members, analysis, model_version, calibration_version);
    JsonWriter verdict(written.verdict);
    write_kept(verdict, analysis);
    return written;
}

Schema text_answer_schema() {
    return Schema::object({
        required("analysis_id", Schema::string().format("uuid").doc("Also the id of the decision in the record.")),
        required("is_ai_generated", Schema::boolean().doc("True only in the band `ai`.")),
        required("confidence",
                 Schema::number().range(0, 1).doc("Calibrated probability that a machine wrote the text.")),
        required("decision_band", Schema::string().one_of({"human", "uncertain", "ai"})),
        required("interval",
                 Schema::array(Schema::number()).size(2, 2).doc("Where `confidence` may lie; see the model card.")),
        required("log_odds", Schema::number()),
        required("intercept", Schema::number()),
        required("calibration_version", Schema::string()),
        required("model_version", Schema::string()),
        required("signals", Schema::array(signal_schema())),
        required("segments", Schema::array(segment_schema())),
        required("uncertainty_flags",
                 Schema::array(Schema::string()).doc("Why the answer may be less sure than it looks.")),
        required("word_count", Schema::integer()),
        required("explanation", Schema::string()),
        required("processing_time_ms", Schema::number().doc("Of the detector, measured for this answer.")),
        optional("warnings", Schema::array(Schema::string()).doc("What was ignored in the request.")),
    });
}

void fill_decision(audit::Decision& decision, const TextAnswer& answer, const TextContext& told, bool keep_whole) {
    JsonWriter writer(decision.output);
    if (keep_whole) {
        writer.begin_object();
        write_members(writer, answer);
        writer.end_object();
    } else {
        write_kept(writer, answer.analysis);
    }
    fill_names(decision, text::to_string(answer.analysis.band), answer.analysis.confidence, answer.model_version, told);
}

void fill_decision(audit::Decision& decision, const WrittenText& written, std::string_view model_version,
                   const TextContext& told, std::string output) {
    decision.output = std::move(output);
    fill_names(decision, written.band, written.confidence, model_version, told);
}

}  // namespace tidegate::provenance
