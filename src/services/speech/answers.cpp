#include "services/speech/answers.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/ids.h"
#include "services/speech/measured.h"
#include "services/speech/text/summary.h"

namespace tidegate::speech {
namespace {

using pipeline::required;
using pipeline::Schema;

/// Of hex digits as to_hex() writes them.
Sha256 digest_of(std::string_view hex) {
    Sha256 out{};
    const auto nibble = [](char one) { return static_cast<unsigned>(one <= '9' ? one - '0' : one - 'a' + 10); };
    for (std::size_t i = 0; i < out.size() && 2 * i + 1 < hex.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(nibble(hex[2 * i]) << 4U | nibble(hex[2 * i + 1]));
    }
    return out;
}

/// Times and shares to the millisecond, as far as they are known.
double rounded(double value) {
    return std::round(value * 1000) / 1000;
}
std::optional<double> rounded(const std::optional<double>& value) {
    return value ? std::optional(rounded(*value)) : std::nullopt;
}

void write_segment(JsonWriter& writer, const Segment& one, std::size_t number, bool with_words) {
    writer.begin_object().field("id", number).field("speaker", one.speaker);
    writer.field("start_time", rounded(one.start)).field("end_time", rounded(one.end));
    writer.field("text", one.text).field("confidence", rounded(one.confidence));
    if (with_words) {
        writer.key("words").begin_array();
        for (const Word& word : one.words) {
            writer.begin_object().field("word", word.text).field("start", rounded(word.start));
            writer.field("end", rounded(word.end)).field("confidence", rounded(word.confidence)).end_object();
        }
        writer.end_array();
    }
    writer.end_object();
}

void write_points(JsonWriter& writer, std::string_view name, const std::vector<KeyPoint>& points,
                  std::span<const Segment> segments) {
    writer.key(name).begin_array();
    for (const KeyPoint& one : points) {
        writer.begin_object().field("text", one.text);
        writer.key("speaker");
        one.speaker.empty() ? writer.null() : writer.value(one.speaker);
        writer.key("segments").begin_array();
        for (const std::size_t turn : one.turns) writer.value(turn);
        writer.end_array();
        if (!segments.empty()) {
            writer.field("start_time", rounded(segments[one.turns.front()].start));
            writer.field("end_time", rounded(segments[one.turns.back()].end));
        }
        writer.end_object();
    }
    writer.end_array();
}

std::string summary_json(const Summary& summary, std::span<const Segment> segments) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("text", summary.text);
    write_points(writer, "key_points", summary.key_points, segments);
    write_points(writer, "action_items", summary.action_items, segments);
    // Nothing here can tell it.
    writer.key("sentiment").null().field("method", "extractive").end_object();
    return out;
}

void write_metadata(JsonWriter& writer, const Session& session) {
    const Transcript& t = session.transcript;
    writer.key("metadata").begin_object().field("duration", rounded(t.duration_s));
    writer.field("speech_duration", rounded(t.speech_s)).field("processing_time", rounded(session.took_s));
    writer.key("real_time_factor");
    t.duration_s > 0 ? writer.value(rounded(session.took_s / t.duration_s)) : writer.null();
    writer.field("cpu_time", rounded(t.cpu_s)).field("channels", t.info.channels);
    writer.field("sample_rate", t.info.sample_rate).field("container", t.info.container).field("codec", t.info.codec);
    writer.field("channel_separation", t.separate).field("processed_at", format_rfc3339(session.finished));
    writer.field("engine", session.engine).field("task", session.task).key("language");
    t.language.empty() ? writer.null() : writer.value(t.language);
    writer.key("fallback");
    if (session.fallback.empty()) {
        writer.null();
    } else {
        writer.begin_object().field("instead_of", kUpstream).field("reason", session.fallback).end_object();
    }
    writer.key("model_versions").begin_object().field(session.model, session.model_version).end_object();
    writer.key("measured");
    write_measured(writer, session.engine);
    writer.end_object();
}

Schema points_schema() {
    return Schema::array(Schema::object({required("text", Schema::string().doc("Their very words, without fillers.")),
                                         required("speaker", Schema::string().nullable()),
                                         required("segments", Schema::array(Schema::integer())
                                                                  .doc("Where it was said: ids of segments, or of "
                                                                       "the text's sentences from 0."))})
                             .open());
}

/// Whether the session's first answer has its record. A server that was killed between the record and its note in the session left
/// the planned id: the log knows.
Result<bool> is_on_record(Speech& speech, const std::string& session) {
    TG_TRY(const SpeechStore::RecordOf known, speech.store().record_of(session));
    if (!known.decision.empty()) return true;
    if (known.planned.empty()) return false;
    TG_TRY(const bool recorded, speech.is_recorded(known.planned));
    if (recorded) TG_CHECK(speech.store().set_decision(session, known.planned));
    return recorded;
}

/// Over the words, or over the segments where words have none; nothing where the engine tells none.
std::optional<double> mean_confidence(const Transcript& transcript) {
    double sum = 0;
    std::size_t count = 0;
    for (const Segment& one : transcript.segments) {
        if (!one.confidence) continue;
        const std::size_t weight = std::max<std::size_t>(1, count_words(one));
        sum += *one.confidence * static_cast<double>(weight);
        count += weight;
    }
    return count > 0 ? std::optional(std::min(1.0, sum / static_cast<double>(count))) : std::nullopt;
}

Schema fallback_schema() {
    return Schema::object(
        {required("instead_of", Schema::string().doc("The engine that gave no transcript.")),
         required("reason", Schema::string().doc("Why: breaker_open, unreachable, timeout, "
                                                 "server_error, throttled, refused, no_transcript."))});
}

}  // namespace

void write_measured(JsonWriter& writer, std::string_view engine) {
    if (engine != kEmbedded) {
        writer.null();
        return;
    }
    writer.begin_object().field("word_error_rate", kMeasured.word_error_rate).field("words", kMeasured.words);
    writer.field("audio_s", kMeasured.audio_s).field("cpu_s_per_audio_s", kMeasured.cpu_per_audio);
    writer.field("wrong_side", kMeasured.wrong_side).field("data", kMeasured.data).field("date", kMeasured.date);
    writer.end_object();
}

Schema measured_schema() {
    return Schema::object(
        {required("word_error_rate", Schema::number().doc("Wrong words over words said.")),
         required("words", Schema::integer()), required("audio_s", Schema::number()),
         required("cpu_s_per_audio_s", Schema::number()),
         required("wrong_side", Schema::number().doc("Share of a call's words told of the other speaker.")),
         required("data", Schema::string()), required("date", Schema::string())});
}

void write_session_head(JsonWriter& writer, const Session& session) {
    writer.field("session_id", session.id).field("status", session.state).key("job_id");
    session.job.empty() ? writer.null() : writer.value(session.job);
    writer.field("filename", session.file_name).field("file_size", session.bytes).field("sha256", session.sha256);
    writer.field("uploaded_at", format_rfc3339(session.created));
}

void write_session(JsonWriter& writer, const Session& session, std::string_view summary_json, bool with_words) {
    write_session_head(writer, session);
    writer.key("transcript").begin_object().key("segments").begin_array();
    std::size_t number = 0;
    for (const Segment& one : session.transcript.segments) write_segment(writer, one, number++, with_words);
    writer.end_array().end_object().key("summary");
    summary_json.empty() ? writer.null() : writer.raw(summary_json);
    write_metadata(writer, session);
}

std::vector<Schema::Member> session_members() {
    const Schema word = Schema::object({required("word", Schema::string()), required("start", Schema::number()),
                                        required("end", Schema::number()),
                                        required("confidence", Schema::number().range(0, 1).nullable())});
    const Schema segment = Schema::object(
        {required("id", Schema::integer()),
         required("speaker", Schema::string().doc("left or right where the channels are speakers, else speaker.")),
         required("start_time", Schema::number().doc("Seconds.")), required("end_time", Schema::number()),
         required("text", Schema::string().doc("Of the embedded recogniser: lower case, without punctuation.")),
         required("confidence", Schema::number().range(0, 1).nullable().doc(
                                    "Mean posterior of its words: it ranks segments, and is no chance of being right. "
                                    "Null: the engine tells none.")),
         pipeline::optional("words", Schema::array(word))});
    return {required("session_id", Schema::string().format("uuid")),
            required("status", Schema::string()),
            required("job_id", Schema::string().nullable()),
            required("filename", Schema::string()),
            required("file_size", Schema::integer().doc("Bytes.")),
            required("sha256", Schema::string()),
            required("uploaded_at", Schema::string().format("date-time")),
            pipeline::optional("transcript", Schema::object({required("segments", Schema::array(segment))})),
            pipeline::optional("summary", summary_schema().nullable()),
            pipeline::optional(
                "metadata",
                Schema::object({required("duration", Schema::number()), required("processing_time", Schema::number()),
                                required("engine", Schema::string().one_of({"embedded", "upstream"})),
                                required("fallback", fallback_schema().nullable()),
                                required("measured", measured_schema().nullable())})
                    .open()),
            pipeline::optional("progress", Schema::number().range(0, 1)),
            pipeline::optional(
                "error", Schema::object({required("code", Schema::string()), required("message", Schema::string())})),
            pipeline::optional("warnings", Schema::array(Schema::string()))};
}

Schema session_schema() {
    return Schema::object(session_members());
}

std::string session_summary_json(const Session& session, std::size_t key_points_max,
                                 const std::function<bool()>& should_stop) {
    std::vector<Turn> turns;
    for (const Segment& one : session.transcript.segments) turns.push_back({.speaker = one.speaker, .text = one.text});
    return summary_json(summarise(turns, key_points_max, should_stop), session.transcript.segments);
}

std::string text_summary_json(std::string_view text, std::size_t key_points_max,
                              const std::function<bool()>& should_stop) {
    return summary_json(summarise(split_sentences(text), key_points_max, should_stop), {});
}

Schema summary_schema() {
    return Schema::object({required("text", Schema::string()), required("key_points", points_schema()),
                           required("action_items", points_schema()),
                           required("sentiment", Schema::any().doc("Always null: nothing here can tell it.")),
                           required("method", Schema::string().one_of({"extractive"}))});
}

audit::Decision decide_transcript(const pipeline::ContextPtr& context, const Session& session, bool keep_words) {
    audit::Decision decision =
        context->make_decision(kService, session.task == "translate" ? "translate/audio" : "transcribe/audio", {});
    // What make_decision() was given is no input to keep: the recording is not, and its hash is known.
    decision.id = *parse_uuid(context->make_id());
    decision.input_hash = digest_of(session.sha256);
    decision.input_size = session.bytes;
    decision.model = session.model;
    decision.model_version = session.model_version;
    decision.tags.push_back({"session", session.id});
    decision.tags.push_back({"engine", session.engine});
    if (!session.fallback.empty()) decision.tags.push_back({"fallback", session.fallback});
    std::size_t words = 0;
    for (const Segment& one : session.transcript.segments) words += count_words(one);
    decision.confidence = mean_confidence(session.transcript);
    decision.band = words > 0 ? "speech" : "no_speech";
    JsonWriter writer(decision.output);
    writer.begin_object().field("session_id", session.id).field("words", words);
    writer.field("segments", session.transcript.segments.size());
    writer.field("duration_s", rounded(session.transcript.duration_s));
    writer.field("speech_s", rounded(session.transcript.speech_s));
    if (keep_words) {
        writer.key("transcript").begin_array();
        for (const Segment& one : session.transcript.segments) {
            writer.begin_object().field("speaker", one.speaker).field("start_time", rounded(one.start));
            writer.field("text", one.text).end_object();
        }
        writer.end_array();
    }
    writer.end_object();
    return decision;
}

Error error_of(const Session& session) {
    if (session.state == "cancelled") return {ErrorCode::kConflict, session.error};
    for (const ErrorCode code :
         {ErrorCode::kUnsupportedMedia, ErrorCode::kFailedValidation, ErrorCode::kTooLarge, ErrorCode::kUnavailable}) {
        if (session.error_code == to_string(code)) return {code, session.error};
    }
    return {ErrorCode::kInternal, session.error};
}

void name_engine(http::Response& response, const Session& session) {
    response.headers.add("X-Model", session.model);
    response.headers.add("X-Engine", session.engine);
    response.headers.add("X-Session-Id", session.id);
    if (!session.fallback.empty()) {
        response.headers.add("X-Fallback", "instead_of=" + std::string(kUpstream) + "; reason=" + session.fallback);
    }
}

void give(const pipeline::ContextPtr& context, Speech& speech, const Session& session, http::Response response) {
    if (!session.decision.empty()) return context->reply(std::move(response));
    auto told = [context, response = std::move(response)](const Result<void>& how) mutable {
        if (!how) return context->fail(how.error());
        context->reply(std::move(response));
    };
    // Two that read it at once leave one record.
    if (!speech.begin_record(session.id, std::move(told))) return;
    const auto known = is_on_record(speech, session.id);
    if (!known || *known) {
        return speech.end_record(session.id, known ? Result<void>() : std::unexpected(known.error()));
    }
    audit::Decision decision = decide_transcript(context, session, speech.settings().keep_output == "whole");
    const auto planned = speech.store().plan_decision(session.id, to_string(decision.id));
    if (!planned) return speech.end_record(session.id, std::unexpected(planned.error()));
    const std::string& id = *planned;
    decision.id = parse_uuid(id).value_or(decision.id);
    std::vector<audit::Decision> one;
    one.push_back(std::move(decision));
    context->record(std::move(one), [&speech, id, session = session.id](Result<void> durable) {
        // The writer of the record has others waiting: the rest is for a thread that may wait.
        auto rest = [&speech, id, session, durable = std::move(durable)] {
            if (!durable) {
                return speech.end_record(
                    session, fail(ErrorCode::kUnavailable,
                                  "The answer could not be recorded, so it is not given; ask for the session again."));
            }
            speech.end_record(session, speech.store().set_decision(session, id));
        };
        if (!speech.house().blocking.submit(std::move(rest))) {
            speech.end_record(
                session, fail(ErrorCode::kUnavailable, "The server has too much to do; ask for the session again."));
        }
    });
}

}  // namespace tidegate::speech
