// POST /api/compliance/export: every record of a filter as one stream, as CSV, NDJSON or JSON.
#include "pipeline/export.h"

#include <fmt/core.h>

#include <array>
#include <atomic>

#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"
#include "services/compliance/tenant_places.h"

namespace tidegate::compliance {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::Schema;

constexpr std::string_view kCsvHead =
    "id,time,request_id,tenant,actor,service,operation,status,error,model,model_version,band,output,confidence,cache,"
    "input_hash,input_size,latency_ms,tokens,spend_points\r\n";

void append_csv_row(std::string& out, const audit::Decision& decision) {
    const std::array<std::string_view, 11> texts{
        decision.request_id, decision.tenant,    decision.actor,
        decision.service,    decision.operation, audit::to_string(decision.status),
        decision.error,      decision.model,     decision.model_version,
        decision.band,       decision.output};
    out += to_string(decision.id);
    out.push_back(',');
    out += format_rfc3339(decision.time());
    for (const std::string_view text : texts) {
        out.push_back(',');
        pipeline::append_csv_cell(out, text);
    }
    using pipeline::csv_number;
    out += fmt::format(",{},{},{},{},{},{},{}\r\n", csv_number(decision.confidence), audit::to_string(decision.cache),
                       to_hex(decision.input_hash), csv_number(decision.stated_input_size()),
                       csv_number(decision.stated_latency_ms()), csv_number(decision.stated_tokens()),
                       to_string(decision.spend_points));
}

void append_json_row(std::string& out, const audit::Decision& decision) {
    JsonWriter writer(out);
    audit::append_json(writer, decision);
}

struct Format {
    std::string_view name, content_type, head, between, tail;
    void (*row)(std::string& out, const audit::Decision& decision);
};
constexpr std::array<Format, 3> kFormats{{
    {"ndjson", "application/x-ndjson", "", "\n", "\n", append_json_row},
    {"csv", "text/csv; charset=utf-8", kCsvHead, "", "", append_csv_row},
    {"json", "application/json", "[", ",\n", "]\n", append_json_row},
}};

std::string_view text_of(const ContextPtr& context, std::string_view name, std::string_view otherwise) {
    const auto member = context->body().find(name);
    return member ? member->as_string() : otherwise;
}

void write_export(const ContextPtr& context, const QueryParts& parts, const audit::HistoryFilter& filter,
                  const audit::Walk& walk, const Format& format, TenantPlaces::Place place) {
    http::Response head;
    head.headers.add("Content-Type", format.content_type);
    head.headers.add("Content-Disposition", fmt::format("attachment; filename=\"decisions.{}\"", format.name));
    pipeline::ExportBody body(context, std::move(head), format.head);
    bool first = true;
    bool reading = true;
    const auto walked = parts.history.for_each(filter, walk, [&](std::uint64_t, const audit::Decision& decision) {
        if (!std::exchange(first, false)) body.buffer() += format.between;
        format.row(body.buffer(), decision);
        reading = body.offer();
        return reading;
    });
    if (!walked && !body.started()) return context->fail(walked.error());
    // Dropped without finish(): the client sees a cut body, never a short list that looks whole.
    if (!walked) return context->fail_stream(walked.error());
    if (!reading) return;
    if (!first || format.tail != "\n") body.buffer() += format.tail;
    if (!body.flush()) return;
    // Whoever has read the end may ask for the next one at once.
    place.reset();
    body.finish();
}

void answer_export(const ContextPtr& context, const QueryParts& parts, const Reach& reach, TenantPlaces::Place place) {
    const auto filter = take_filter(*context, reach, From::kBody);
    if (!filter) return;
    const std::string_view name = text_of(context, "format", "ndjson");
    const Format& format = *std::ranges::find(kFormats, name, &Format::name);  // The schema knows the three.
    const bool newest = text_of(context, "order", "oldest") == "newest";
    // Up to here: the event below is not part of what it tells of.
    const audit::Walk walk{.order = newest ? audit::Order::kNewestFirst : audit::Order::kOldestFirst,
                           .to = parts.history.end_leaf()};
    if (const auto noted = record_access(*context, access_event(*context, "access/export", to_json(*filter))); !noted) {
        return context->fail(
            {ErrorCode::kUnavailable, "The export could not be recorded, so it is not given; ask again."});
    }
    write_export(context, parts, *filter, walk, format, std::move(place));
}

/// Runs at most `exports_max` at once: a slow reader holds its thread, and the others must stay for everybody else.
pipeline::Handler limited(const QueryParts& parts) {
    const auto places = std::make_shared<TenantPlaces>();
    return [parts, places](const ContextPtr& context) {
        const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
        auto place = places->take(reach, {parts.settings.exports_max, parts.settings.tenant_share_percent}, "exports",
                                  "compliance.exports_max");
        if (!place) return context->fail(place.error());
        answer_export(context, parts, reach, *std::move(place));
    };
}

}  // namespace

void register_export_route(std::vector<pipeline::Route>& routes, const QueryParts& parts) {
    std::vector<Schema::Member> members = filter_members();
    members.push_back(optional("format", Schema::string().one_of({"csv", "ndjson", "json"}).doc("Default ndjson.")));
    members.push_back(optional("order", Schema::string().one_of({"oldest", "newest"}).doc("First; default oldest.")));
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/compliance/export",
        .operation = "compliance_export",
        .family = "compliance",
        .summary = "All records of a filter as one stream without a cap. Each export is itself recorded.",
        .work = pipeline::Work::kBlocking,
        .request = Schema::object(std::move(members)),
        .response = Schema::string().doc("Records: CSV with a head, a JSON object a line, or one JSON array."),
        .response_type = "application/x-ndjson",
        .scopes = kReadScopes,
        .body_bytes_max = 16 * 1024,
        .example = R"({"format":"ndjson"})",
        .handler = limited(parts),
    });
}

}  // namespace tidegate::compliance
