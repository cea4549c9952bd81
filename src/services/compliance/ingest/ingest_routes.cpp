#include "services/compliance/ingest/ingest_routes.h"

#include <limits>
#include <utility>

#include "base/json_writer.h"
#include "base/strings.h"
#include "pipeline/context.h"
#include "pipeline/identity/caller.h"
#include "services/compliance/ingest/decision_fields.h"

namespace tidegate::compliance::ingest {
namespace {

using pipeline::ContextPtr;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kScope = "compliance:write";

void answer_outcome(pipeline::Context& context, const Outcome& outcome) {
    switch (outcome.kind) {
        case Outcome::Kind::kFailed:
            if (outcome.error->code != ErrorCode::kInvalidArgument) return context.fail(*outcome.error);
            return context.fail({ErrorCode::kFailedValidation, outcome.error->message});
        case Outcome::Kind::kConflict:
            return context.fail({ErrorCode::kConflict,
                                 "This request id has another decision already: " + tidegate::to_string(outcome.id) +
                                     ". A record is never changed; correct it by a new one."});
        case Outcome::Kind::kRecorded:
        case Outcome::Kind::kDuplicate:
            break;
    }
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("decision_id", tidegate::to_string(outcome.id))
        .field("leaf", outcome.leaf)
        .field("duplicate", outcome.kind == Outcome::Kind::kDuplicate)
        .end_object();
    context.reply_json(std::move(body), 202);
}

void answer_one(const ContextPtr& context, const RouteParts& parts) {
    const pipeline::Caller* caller = context->caller().get();
    auto made = read_decision(context->body(), {.tenant = caller == nullptr ? std::string_view() : caller->tenant,
                                                .now = context->clock().unix_ms(),
                                                .privacy = parts.batch.privacy});
    if (!made) return context->fail(std::move(made).error());
    std::vector<Incoming> one;
    one.push_back(*std::move(made));
    parts.batch.intake.take(std::move(one), [context](const std::vector<Outcome>& outcomes) {
        answer_outcome(*context, outcomes.front());
    });
}

/// Nothing when the request was refused.
std::optional<BatchOptions> take_options(pipeline::Context& context) {
    const auto pairs = http::parse_query(context.head().query);
    if (!pairs) {
        context.fail({ErrorCode::kInvalidArgument, "The query string holds a broken % escape."});
        return std::nullopt;
    }
    BatchOptions options;
    Faults faults;
    for (const auto& [name, value] : *pairs) {
        if (name == "report") {
            options.each_line = value == "lines";
            if (value != "lines" && value != "summary")
                faults.push_back({name, "must be lines or summary", "not_allowed"});
        } else if (name == "stop_on_error") {
            options.stop_on_error = value == "true";
            if (value != "true" && value != "false") faults.push_back({name, "must be true or false", "not_allowed"});
        } else {
            faults.push_back({name.substr(0, 64), "is not a parameter of this route", "not_allowed"});
        }
    }
    if (faults.empty()) return options;
    context.fail(std::move(faults));
    return std::nullopt;
}

bool is_ndjson(const http::Headers& headers) {
    const auto type = headers.get("Content-Type");
    if (!type) return true;
    const std::string name = to_lower(trim(type->substr(0, type->find(';'))));
    return name == "application/x-ndjson" || name == "application/ndjson" || name == "application/jsonl" ||
           name == "application/x-jsonlines" || name == "application/json";
}

void answer_batch(const ContextPtr& context, const RouteParts& parts) {
    const http::Headers& headers = context->head().headers;
    if (!is_ndjson(headers) || headers.get("Content-Encoding")) {
        return context->fail({ErrorCode::kUnsupportedMedia,
                              "The body must be application/x-ndjson, a JSON text in each line, not compressed."});
    }
    const auto options = take_options(*context);
    if (!options) return;
    auto& streams = *parts.streams;
    if (streams.fetch_add(1, std::memory_order_relaxed) >= parts.streams_max) {
        streams.fetch_sub(1, std::memory_order_relaxed);
        return context->fail(
            {ErrorCode::kUnavailable, "As many streams as ingest.streams_max allows are open; ask again."});
    }
    const std::shared_ptr<void> place(
        parts.streams.get(), [streams = parts.streams](void*) { streams->fetch_sub(1, std::memory_order_relaxed); });
    std::make_shared<BatchStream>(parts.batch, *options, context, place)->start();
}

Route one_route(const RouteParts& parts) {
    Route route;
    route.method = http::Method::kPost;
    route.path = "/api/v1/decisions";
    route.operation = "ingest_decision";
    route.family = "compliance";
    route.summary = "Records a decision made elsewhere; the same one again is answered with the first one's id.";
    route.work = pipeline::Work::kBlocking;
    route.request = decision_schema();
    route.answer_status = 202;
    route.response = Schema::object({
        pipeline::required("decision_id", Schema::string().format("uuid")),
        pipeline::required("leaf", Schema::integer().doc("Its place in the log, for proofs.")),
        pipeline::required("duplicate", Schema::boolean().doc("It was there already.")),
    });
    route.body_bytes_max = parts.batch.line_bytes_max;
    route.scopes = {std::string(kScope)};
    route.example =
        R"({"request_id":"order-7731-credit","input":"limit for order 7731","source":"credit","model":"scorer",)"
        R"("model_version":"4.2","output":{"limit":1200},"confidence_scores":{"grant":0.93,"refuse":0.07},)"
        R"("processing_time_ms":12.5,"tokens_used":0,"user_id":"desk-4","tags":{"region":"north"}})";
    route.handler = [&parts](const ContextPtr& context) { answer_one(context, parts); };
    return route;
}

Route batch_route(const RouteParts& parts) {
    Route route;
    route.method = http::Method::kPost;
    route.path = "/api/v1/decisions/batch";
    route.operation = "ingest_decisions";
    route.family = "compliance";
    route.summary = "Records decisions made elsewhere, one in each line of a stream; read the answer while sending.";
    route.work = pipeline::Work::kInline;
    route.raw_body = true;
    route.query = {
        {.name = "report",
         .schema =
             Schema::string()
                 .one_of({"lines", "summary"})
                 .doc("`lines` (default): the outcome of each, as it is durable; `summary`: their sums at the end.")},
        {.name = "stop_on_error",
         .schema = Schema::string().one_of({"true", "false"}).doc("End at the first line that is not recorded.")}};
    route.response_type = "application/x-ndjson";
    route.body_bytes_max = std::numeric_limits<std::uint64_t>::max();
    route.streams_body = [](const http::RequestHead&) { return true; };
    route.scopes = {std::string(kScope)};
    route.example = "report=lines";
    route.raw_type = "application/x-ndjson";
    route.raw_example =
        R"({"request_id":"order-7732-credit","input":"limit for order 7732","source":"credit","model":"scorer"})"
        "\n"
        R"({"request_id":"order-7733-credit","input":"limit for order 7733","source":"credit","model":"scorer"})"
        "\n";
    route.handler = [&parts](const ContextPtr& context) { answer_batch(context, parts); };
    return route;
}

}  // namespace

void register_ingest_routes(std::vector<Route>& routes, const RouteParts& parts) {
    routes.push_back(one_route(parts));
    routes.push_back(batch_route(parts));
}

}  // namespace tidegate::compliance::ingest
