// GET and DELETE /api/v1/transcribe/{id}, GET /api/v1/transcribe, GET /api/v1/transcribe/status.
#include "pipeline/context.h"
#include "services/speech/answers.h"
#include "services/speech/measured.h"
#include "services/speech/text/subtitles.h"

namespace tidegate::speech {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

std::string tenant_of(const ContextPtr& context) {
    return context->caller() ? context->caller()->tenant : std::string();
}

/// A session as its job stands: what is accepted may be waiting, at work, cancelled or given up.
void write_state(JsonWriter& writer, Speech& speech, Session session) {
    std::optional<double> progress;
    if (session.state == "accepted") {
        const auto job = speech.house().jobs.find(session.job);
        if (!job) {
            session.state = "failed";
            session.error_code = "not_found";
            session.error = "Its job is gone.";
        } else if (jobs::is_over(job->state) && job->state != jobs::JobState::kSucceeded) {
            session.state = job->state == jobs::JobState::kCancelled ? "cancelled" : "failed";
            session.error_code = jobs::to_string(job->state);
            session.error = job->error.empty() ? "The job was cancelled." : job->error;
        } else {
            if (job->state != jobs::JobState::kQueued) session.state = "transcribing";
            progress = job->progress;
        }
    }
    write_session_head(writer, session);
    if (progress) writer.field("progress", *progress);
    if (session.error.empty()) return;
    writer.key("error").begin_object().field("code", session.error_code).field("message", session.error).end_object();
}

http::Response response_of(const Session& session, std::string_view type, std::string body) {
    http::Response response;
    response.headers.add("Content-Type", type);
    name_engine(response, session);
    response.body = std::move(body);
    return response;
}

void answer_session(const ContextPtr& context, Speech& speech) {
    const auto session = speech.store().find(context->path_parameter("id"), tenant_of(context));
    if (!session) return context->fail(session.error());
    const std::string format = context->query("format").value_or("json");
    if (session->state != "completed") {
        if (format != "json") return context->fail({ErrorCode::kConflict, "The session has no transcript yet."});
        std::string body;
        JsonWriter writer(body);
        writer.begin_object();
        write_state(writer, speech, *session);
        writer.end_object();
        return context->reply_json(std::move(body));
    }
    const std::vector<Segment>& segments = session->transcript.segments;
    const bool named = session->transcript.separate;
    if (format == "srt")
        return give(context, speech, *session,
                    response_of(*session, "text/plain; charset=utf-8", to_srt(segments, named)));
    if (format == "vtt")
        return give(context, speech, *session,
                    response_of(*session, "text/vtt; charset=utf-8", to_vtt(segments, named)));
    if (format == "txt")
        return give(context, speech, *session,
                    response_of(*session, "text/plain; charset=utf-8", to_text(segments, named)));
    const auto summary = speech.store().summary(session->id);
    if (!summary) return context->fail(summary.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    write_session(writer, *session, summary->value_or(""), true);
    writer.end_object();
    give(context, speech, *session, response_of(*session, "application/json", std::move(body)));
}

void answer_sessions(const ContextPtr& context, Speech& speech) {
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(50));
    auto found = speech.store().list(tenant_of(context), context->query("cursor").value_or(""), limit + 1);
    if (!found) return context->fail(found.error());
    const bool more = found->size() > limit;
    if (more) found->pop_back();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Session& one : *found) {
        writer.begin_object();
        write_state(writer, speech, one);
        writer.end_object();
    }
    writer.end_array().key("next_cursor");
    more ? writer.value(found->back().id) : writer.null();
    writer.end_object();
    context->reply_json(std::move(body));
}

/// Ends its job, and with it the recording: of one that runs its worker removes it, of one that is over nobody else would.
Result<void> drop_job(Speech& speech, const Session& session) {
    const auto is_gone = [](const Error& error) { return error.code == ErrorCode::kNotFound; };
    if (session.job.empty()) return {};
    if (const auto cancelled = speech.house().jobs.cancel(session.job); !cancelled) {
        if (is_gone(cancelled.error())) return {};
        if (cancelled.error().code != ErrorCode::kConflict) return std::unexpected(cancelled.error());
    }
    const auto removed = speech.house().jobs.forget_file(session.job);
    if (removed || is_gone(removed.error()) || removed.error().code == ErrorCode::kConflict) return {};
    return removed;
}

void answer_delete(const ContextPtr& context, Speech& speech) {
    const auto session = speech.store().find(context->path_parameter("id"), tenant_of(context));
    if (!session) return context->fail(session.error());
    // The job first: with it goes the recording, and nothing is written for the session any more.
    if (const auto dropped = drop_job(speech, *session); !dropped) return context->fail(dropped.error());
    const auto gone = speech.store().remove(session->id, session->tenant);
    if (!gone) return context->fail(gone.error());
    std::string body;
    JsonWriter(body).begin_object().field("session_id", session->id).field("deleted", true).end_object();
    context->reply_json(std::move(body));
}

void answer_status(const ContextPtr& context, Speech& speech) {
    const EngineState state = speech.engine_state();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("status", state.ready ? "ready" : "unavailable");
    if (!state.detail.empty()) writer.field("detail", state.detail);
    writer.field("engine", speech.settings().engine).field("fallback", speech.settings().fallback);
    writer.field("model", speech.model()).field("model_version", speech.model_version()).key("language");
    speech.has_upstream() ? writer.null() : writer.value(kEnglish);
    writer.key("decoders").begin_object().field("allowed", speech.decoders().size());
    writer.field("made", speech.decoders().made()).field("at_work", speech.decoders().lent()).end_object();
    writer.key("measured");
    write_measured(writer, speech.settings().engine);
    writer.end_object();
    context->reply_json(std::move(body));
}

Route reading_route(http::Method method, std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "speech";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = {"speech:read"};
    if (route.path.contains("{id}")) {
        route.path_parameters = {{.name = "id", .schema = Schema::string().size(36, 36), .required = true}};
    }
    return route;
}

}  // namespace

void register_session_routes(std::vector<Route>& routes, Speech& speech) {
    Route list = reading_route(http::Method::kGet, "/api/v1/transcribe", "list_transcripts",
                               "The recordings of the caller's tenant, newest first, without their words.");
    list.query = {{.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
                  {.name = "cursor", .schema = Schema::string().size(1, 64).doc("`next_cursor` of the page before.")}};
    list.example = "limit=5";
    list.response = Schema::object(
        {required("items", Schema::array(session_schema())), required("next_cursor", Schema::string().nullable())});
    list.handler = [&speech](const ContextPtr& context) { answer_sessions(context, speech); };
    routes.push_back(std::move(list));

    Route status = reading_route(http::Method::kGet, "/api/v1/transcribe/status", "speech_status",
                                 "Whether recordings can be transcribed, by what, and how well it was measured to.");
    status.response = Schema::object(
        {required("status", Schema::string().one_of({"ready", "unavailable"})),
         pipeline::optional("detail", Schema::string().doc("What does not work; what to install.")),
         required("engine", Schema::string().one_of({"embedded", "upstream"})),
         required("fallback", Schema::string().one_of({"none", "embedded"})), required("model", Schema::string()),
         required("model_version", Schema::string()),
         required("language", Schema::string().nullable().doc("The one that it knows; null: the upstream decides.")),
         required("decoders",
                  Schema::object({required("allowed", Schema::integer()), required("made", Schema::integer()),
                                  required("at_work", Schema::integer())})),
         required("measured", measured_schema().nullable().doc("Null: nobody measured the upstream here."))});
    status.handler = [&speech](const ContextPtr& context) { answer_status(context, speech); };
    routes.push_back(std::move(status));

    Route get = reading_route(http::Method::kGet, "/api/v1/transcribe/{id}", "get_transcript",
                              "One recording: how far it is, or what was said; as JSON, SubRip, WebVTT or text.");
    get.query = {
        {.name = "format", .schema = Schema::string().one_of({"json", "srt", "vtt", "txt"}).doc("Default json.")}};
    get.response = session_schema();
    get.handler = [&speech](const ContextPtr& context) { answer_session(context, speech); };
    routes.push_back(std::move(get));

    Route remove =
        reading_route(http::Method::kDelete, "/api/v1/transcribe/{id}", "delete_transcript",
                      "Forgets a recording with its words and its summary; cancels it while it waits. The record "
                      "keeps that it was transcribed.");
    remove.scopes = {"speech:transcribe"};
    remove.response =
        Schema::object({required("session_id", Schema::string()), required("deleted", Schema::boolean())});
    remove.handler = [&speech](const ContextPtr& context) { answer_delete(context, speech); };
    routes.push_back(std::move(remove));
}

}  // namespace tidegate::speech
