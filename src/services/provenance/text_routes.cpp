// POST /api/v1/detect/text and /api/v1/batch/text
#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "pipeline/context.h"
#include "services/provenance/known_texts.h"
#include "services/provenance/provenance.h"
#include "services/provenance/text_answer.h"
#include "services/provenance/text_request.h"

namespace tidegate::provenance {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Schema;

/// Largest body of one text: 50,000 characters written as surrogate escapes take 12 bytes each.
constexpr std::uint64_t kTextBodyBytesMax = 1024 * 1024;
constexpr std::uint64_t kBatchBodyBytesMax = 64 * 1024 * 1024;

/// What batches had analysed a moment ago: some 2,000 texts, of 4 KiB each with its signals.
constexpr std::size_t kKnownTextsBytes = 8 * 1024 * 1024;

double ms_since(const Clock& clock, SteadyTime start) {
    return std::chrono::duration<double, std::milli>(clock.now() - start).count();
}

void write_warnings(JsonWriter& writer, const std::vector<std::string>& warnings) {
    if (warnings.empty()) return;
    writer.key("warnings").begin_array();
    for (const std::string& warning : warnings) writer.value(std::string_view(warning));
    writer.end_array();
}

void answer_text(const ContextPtr& context, const Parts& parts) {
    const std::string_view text = context->body().find("text")->as_string();
    const TextContext told = told_of(context->body());
    const SteadyTime start = parts.clock.now();
    const auto analysis = analyse_text(parts.text_detector, text, told);
    const double took_ms = ms_since(parts.clock, start);
    context->end_stage("detect");
    if (!analysis) return context->fail(analysis.error());
    audit::Decision decision = context->make_decision(kService, "detect/text", text);
    const std::string id = to_string(decision.id);
    const TextAnswer answer{*analysis, id, parts.text_detector.model_version(),
                            parts.text_detector.calibration_version(), took_ms};
    fill_decision(decision, answer, told, parts.settings.keep_output == "whole");
    std::string body;
    body.reserve(4096);
    JsonWriter writer(body);
    writer.begin_object();
    write_members(writer, answer);
    write_warnings(writer, context->warnings());
    writer.end_object();
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context->reply_recorded(std::move(decisions), std::move(body));
}

struct Batch {
    std::string items;  // JSON, elements with commas.
    std::vector<audit::Decision> decisions;
    std::size_t succeeded = 0;
    std::size_t failed = 0;
};

void write_item_error(JsonWriter& writer, std::string_view item_id, std::string_view status, std::string_view code,
                      std::string_view message) {
    writer.begin_object().field("item_id", item_id).field("status", status).key("result").null();
    writer.key("error").begin_object().field("error", code).field("message", message).end_object().end_object();
}

/// The same text gets the same answer for as long as model and calibration are the same.
pipeline::KeptAnswer kept(const Parts& parts, Duration ttl) {
    return {.ttl = ttl,
            .tags = {"model:text_detector"},
            .version = parts.text_detector.model_version() + " " + parts.text_detector.calibration_version()};
}

/// One item of a batch, through the same code as the single route. False when it failed.
bool analyse_item(const ContextPtr& context, const Parts& parts, KnownTexts& known, json::Value item,
                  JsonWriter& writer, Batch& batch) {
    const std::string_view item_id = item.find("item_id")->as_string();
    const std::string_view text = item.find("text")->as_string();
    pipeline::Findings findings;
    text_schema().validate(*item.find("text"), "text", findings);
    if (!findings.errors.empty()) {
        write_item_error(writer, item_id, "failed", "validation_failed", "text " + findings.errors.front().message);
        ++batch.failed;
        return false;
    }
    const TextContext told = told_of(item);
    const SteadyTime start = parts.clock.now();
    const std::string_view tenant = context->caller() ? std::string_view(context->caller()->tenant) : "";
    const auto written = known.analyse(parts.text_detector, tenant, text, told);
    const double took_ms = ms_since(parts.clock, start);
    if (!written) {
        write_item_error(writer, item_id, "failed", to_string(written.error().code), written.error().message);
        ++batch.failed;
        return false;
    }
    audit::Decision decision = context->make_decision(kService, "batch/text", text);
    decision.spend_points = {};  // The batch has one price; the first decision carries it.
    std::string result;
    result.reserve((*written)->members.size() + 128);
    JsonWriter members(result);
    members.begin_object();
    write_members(members, **written, to_string(decision.id), took_ms);
    members.end_object();
    fill_decision(decision, **written, parts.text_detector.model_version(), told,
                  parts.settings.keep_output == "whole" ? result : (*written)->verdict);
    batch.decisions.push_back(std::move(decision));
    writer.begin_object().field("item_id", item_id).field("status", "succeeded").key("result").raw(result);
    writer.key("error").null().end_object();
    ++batch.succeeded;
    return true;
}

bool has_unique_ids(const ContextPtr& context, json::Value items) {
    std::unordered_set<std::string_view> seen;
    std::vector<pipeline::FieldError> errors;
    std::size_t index = 0;
    items.each([&](json::Value item) {
        if (!seen.insert(item.find("item_id")->as_string()).second && errors.size() < pipeline::Findings::kErrorsMax) {
            errors.push_back({fmt::format("items[{}].item_id", index), "stands twice in the batch", "not_allowed"});
        }
        ++index;
    });
    if (errors.empty()) return true;
    context->fail(std::move(errors));
    return false;
}

void answer_batch(const ContextPtr& context, const Parts& parts, KnownTexts& known) {
    const json::Value items = *context->body().find("items");
    if (!has_unique_ids(context, items)) return;
    const auto stop = context->body().find("stop_on_error");
    const bool stop_on_error = stop && stop->as_bool();
    Batch batch;
    JsonWriter writer(batch.items);
    bool stopped = false;
    items.each([&](json::Value item) {
        if (stopped) {
            write_item_error(writer, item.find("item_id")->as_string(), "skipped", "skipped",
                             "an item before failed and stop_on_error is set");
        } else if (!analyse_item(context, parts, known, item, writer, batch)) {
            stopped = stop_on_error;
        }
    });
    context->end_stage("detect");
    std::string body;
    JsonWriter out(body);
    const auto batch_id = context->make_id();
    out.begin_object().field("batch_id", batch_id).field("total", items.size());
    out.field("succeeded", batch.succeeded)
        .field("failed", batch.failed)
        .field("skipped", items.size() - batch.succeeded - batch.failed);
    out.key("items").begin_array().raw(batch.items).end_array();
    write_warnings(out, context->warnings());
    out.end_object();
    if (batch.decisions.empty()) return context->reply_json(std::move(body));
    batch.decisions.front().spend_points = context->spend_points();
    for (audit::Decision& decision : batch.decisions) decision.tags.push_back({"batch", batch_id});
    context->reply_recorded(std::move(batch.decisions), std::move(body));
}

Schema batch_request_schema(std::size_t items_max) {
    return Schema::object({
        required(
            "items",
            Schema::array(Schema::object({
                              required("item_id", Schema::string().size(1, 128)),
                              required("text", Schema::string().doc(
                                                   "1 to 50,000 characters; an item that breaks this fails alone.")),
                              pipeline::optional("domain", domain_schema()),
                              pipeline::optional("language", language_schema()),
                          }))
                .size(1, items_max)),
        pipeline::optional("stop_on_error", Schema::boolean().doc("Skip the rest after the first item that fails.")),
    });
}

Schema batch_answer_schema() {
    return Schema::object({
        required("batch_id", Schema::string().format("uuid")),
        required("total", Schema::integer()),
        required("succeeded", Schema::integer()),
        required("failed", Schema::integer()),
        required("skipped", Schema::integer()),
        required(
            "items",
            Schema::array(Schema::object({
                required("item_id", Schema::string()),
                required("status", Schema::string().one_of({"succeeded", "failed", "skipped"})),
                required("result", Schema::object({}).open().nullable().doc("As POST /api/v1/detect/text answers.")),
                required("error",
                         Schema::object({required("error", Schema::string()), required("message", Schema::string())})
                             .nullable()),
            }))),
        pipeline::optional("warnings", Schema::array(Schema::string())),
    });
}

}  // namespace

void register_text_routes(std::vector<pipeline::Route>& routes, const Parts& parts) {
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/detect/text",
        .operation = "detect_text",
        .family = "provenance",
        .summary = "Was this text written by a machine? A calibrated, explained answer.",
        .work = pipeline::Work::kCpu,
        .request = text_request_schema(),
        .response = text_answer_schema(),
        .spend_points = Points::whole(1),
        .keep = kept(parts, parts.settings.cache_ttl),
        .scopes = {"provenance:detect"},
        .body_bytes_max = kTextBodyBytesMax,
        .example = std::string(kExampleRequest),
        .handler = [parts](const ContextPtr& context) { answer_text(context, parts); },
    });
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/batch/text",
        .operation = "batch_text",
        .family = "provenance",
        .summary = "Several texts in one request; each result equals the single route's.",
        .work = pipeline::Work::kCpu,
        .request = batch_request_schema(parts.settings.batch_items_max),
        .response = batch_answer_schema(),
        .spend_points = Points::whole(5),
        .keep = kept(parts, {}),
        .scopes = {"provenance:detect"},
        .body_bytes_max = std::min(kBatchBodyBytesMax, parts.settings.batch_items_max * kTextBodyBytesMax),
        .example =
            R"({"items":[{"item_id":"a","text":"I lived there two years and two months. At present I am a sojourner in civilized life again."}],"stop_on_error":false})",
        .handler = [parts, known = std::make_shared<KnownTexts>(kKnownTextsBytes)](
                       const ContextPtr& context) { answer_batch(context, parts, *known); },
    });
}

}  // namespace tidegate::provenance
