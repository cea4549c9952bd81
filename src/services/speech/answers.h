// Answers: sessions and summaries as JSON, their schemas, and the decisions that record them.
//
// Threads     Any.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "audit/decision.h"
#include "base/json_writer.h"
#include "pipeline/context.h"
#include "pipeline/schema.h"
#include "services/speech/speech.h"

namespace tidegate::speech {

/// Members of a completed session: transcript, summary (`summary_json` empty: null), metadata.
void write_session(JsonWriter& writer, const Session& session, std::string_view summary_json, bool with_words);
/// Who and what, without a transcript.
void write_session_head(JsonWriter& writer, const Session& session);
std::vector<pipeline::Schema::Member> session_members();
pipeline::Schema session_schema();

/// `{text, key_points[], action_items[], sentiment, method}`; points name segments.
std::string session_summary_json(const Session& session, std::size_t key_points_max,
                                 const std::function<bool()>& should_stop = {});
/// The same of a text: points name its sentences.
std::string text_summary_json(std::string_view text, std::size_t key_points_max,
                              const std::function<bool()>& should_stop = {});
pipeline::Schema summary_schema();

/// What the embedded recogniser was measured at; null where another server's engine is meant: nobody measured that here.
void write_measured(JsonWriter& writer, std::string_view engine);
pipeline::Schema measured_schema();

/// The record of a transcript: the recording's SHA-256, never its bytes; its words where speech.keep_output says so.
audit::Decision decide_transcript(const pipeline::ContextPtr& context, const Session& session, bool keep_words);
/// What is answered for a session that failed.
Error error_of(const Session& session);

/// Who answered, for answers that are no JSON too: X-Model, X-Engine, X-Session-Id, and X-Fallback where one stood in for another.
void name_engine(http::Response& response, const Session& session);

/// Records the answer where it is the session's first, then gives it. `body` is complete but for nothing: JSON or text.
void give(const pipeline::ContextPtr& context, Speech& speech, const Session& session, http::Response response);

}  // namespace tidegate::speech
