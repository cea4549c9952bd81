// POST /api/v1/summarize: what a talk or a text comes to, in its own words.
#include "pipeline/context.h"
#include "services/speech/answers.h"

namespace tidegate::speech {
namespace {

using pipeline::ContextPtr;
using pipeline::Schema;

constexpr std::size_t kTextMax = 400'000;  // Characters: a day of talk.
constexpr std::uint64_t kBodyBytesMax = 2 * 1024 * 1024;
constexpr std::string_view kSummariser = "textrank_mmr";
constexpr std::string_view kSummariserVersion = "1";

void reply_summary(const ContextPtr& context, const std::string& summary, std::string_view session,
                   std::size_t points_asked) {
    audit::Decision decision = context->make_decision(kService, "summarize/text", context->raw_body());
    decision.model = kSummariser;
    decision.model_version = kSummariserVersion;
    JsonWriter kept(decision.output);
    kept.begin_object()
        .field("method", "extractive")
        .field("key_points_max", points_asked)
        .field("bytes", summary.size());
    kept.end_object();
    if (!session.empty()) decision.tags.push_back({"session", std::string(session)});
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("decision_id", to_string(decision.id)).key("session_id");
    session.empty() ? writer.null() : writer.value(session);
    writer.key("summary").raw(summary).field("saved", !session.empty()).field("model_version", kSummariserVersion);
    writer.end_object();
    context->end_stage("summarise");
    std::vector<audit::Decision> one;
    one.push_back(std::move(decision));
    context->reply_recorded(std::move(one), std::move(body));
}

void answer_summary(const ContextPtr& context, Speech& speech) {
    const auto text = context->body().find("text");
    const auto session_id = context->body().find("session_id");
    if (text.has_value() == session_id.has_value()) {
        return context->fail({{"text", "one of text and session_id, and not both", text ? "not_allowed" : "missing"}});
    }
    const auto asked = context->body().find("key_points");
    const auto points = asked ? static_cast<std::size_t>(asked->as_int()) : std::size_t{speech.settings().key_points};
    const auto is_gone = [exchange = context->exchange()] { return exchange->unreachable(); };
    if (text) {
        const std::string summary = text_summary_json(text->as_string(), points, is_gone);
        if (is_gone()) return context->fail({ErrorCode::kCancelled, "The client has left."});
        return reply_summary(context, summary, {}, points);
    }
    const std::string tenant = context->caller() ? context->caller()->tenant : std::string();
    const auto session = speech.store().find(session_id->as_string(), tenant);
    if (!session) return context->fail(session.error());
    if (session->state != "completed") {
        return context->fail({ErrorCode::kConflict, "The session has no transcript yet."});
    }
    const std::string summary = session_summary_json(*session, points, is_gone);
    if (is_gone()) return context->fail({ErrorCode::kCancelled, "The client has left."});
    if (const auto saved = speech.store().save_summary(session->id, summary, context->clock().unix_ms()); !saved) {
        return context->fail(saved.error());
    }
    reply_summary(context, summary, session->id, points);
}

}  // namespace

void register_summary_route(std::vector<pipeline::Route>& routes, Speech& speech) {
    using pipeline::optional;
    using pipeline::required;
    pipeline::Route route;
    route.method = http::Method::kPost;
    route.path = "/api/v1/summarize";
    route.operation = "summarize";
    route.family = "speech";
    route.summary =
        "What a session or a text comes to: its weightiest sentences as they were said, each with where they stand. A "
        "session's summary is saved with it.";
    route.work = pipeline::Work::kBlocking;
    route.request = Schema::object(
        {optional("text", Schema::string().size(1, kTextMax).doc("Or a session.")),
         optional("session_id", Schema::string().format("uuid").doc("Of POST /api/v1/transcribe.")),
         optional("key_points", Schema::integer().range(1, 50).doc("Most of them; speech.key_points without it."))});
    route.response = Schema::object(
        {required("decision_id", Schema::string().format("uuid")), required("session_id", Schema::string().nullable()),
         required("summary", summary_schema()), required("saved", Schema::boolean().doc("With its session.")),
         required("model_version", Schema::string())});
    route.spend_points = Points::whole(1);
    route.scopes = {"speech:transcribe"};
    route.body_bytes_max = kBodyBytesMax;
    route.example =
        R"({"text":"The harbour office opens at nine. The tide gate must be shut before the harbour floods. We will call the harbour office tomorrow about the tide gate.","key_points":1})";
    route.handler = [&speech](const ContextPtr& context) { answer_summary(context, speech); };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::speech
