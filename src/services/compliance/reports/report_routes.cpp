#include "services/compliance/reports/report_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "pipeline/context.h"
#include "services/compliance/reading.h"
#include "services/compliance/reports/report.h"

namespace tidegate::compliance {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

std::optional<std::string> text_of(const ContextPtr& context, std::string_view name) {
    const auto member = context->body().find(name);
    if (!member || member->kind() != json::Kind::kString) return std::nullopt;
    return std::string(member->as_string());
}

/// Nothing when the request was refused.
std::optional<ReportQuery> take_query(const ContextPtr& context, const ReportParts& parts) {
    if (!context->warnings().empty()) {
        context->fail({ErrorCode::kFailedValidation,
                       "A filter that is not known filters nothing: " + context->warnings().front()});
        return std::nullopt;
    }
    ReportQuery query;
    // The schema has seen that they are there and parse.
    query.from = parse_rfc3339(text_of(context, "from").value()).value();
    query.to = parse_rfc3339(text_of(context, "to").value()).value();
    if (query.to <= query.from) {
        context->fail({{"to", "must be after `from`", "too_small"}});
        return std::nullopt;
    }
    query.tenant = reach_of(context->caller().get(), parts.loopback_without_keys).tenant_filter();
    query.service = text_of(context, "service");
    query.model = text_of(context, "model");
    query.subject = text_of(context, "subject").value_or("");
    return query;
}

/// Somebody, and not the monitor, has done something about it.
bool was_taken_up(const drift::Alert& alert) {
    return std::ranges::any_of(alert.history, [](const drift::AlertChange& change) {
        return change.to != drift::AlertState::kOpen && change.actor != "system";
    });
}

std::vector<AlertSeen> alerts_of(const DriftWatch& watch) {
    std::vector<AlertSeen> seen;
    watch.read([&](const drift::Monitor&, const drift::Alerts& alerts) {
        for (const drift::Alert* alert : alerts.list(drift::AlertOptions{}.alerts_max, false)) {
            seen.push_back({.id = std::to_string(alert->id),
                            .tenant = alert->key.tenant,
                            .service = alert->key.service,
                            .model = alert->key.model,
                            .opened = alert->opened,
                            .by_person = was_taken_up(*alert)});
        }
    });
    return seen;
}

Result<LogSources> sources_of(const ReportParts& parts) {
    // So that the newest records are under a checkpoint. Where it cannot sign, the one before is used, and the report says of when it is.
    static_cast<void>(parts.proofs.sign_now());
    LogSources sources{.reader = parts.reader, .history = &parts.history, .hashes = parts.proofs.tiles()};
    sources.log_id = parts.log_id;
    sources.retention = parts.retention;
    sources.now = parts.clock.unix_ms();
    if (const auto head = parts.proofs.latest()) {
        sources.head = ReportHead{head->head, head->time, head->note, parts.proofs.verifier().to_text()};
    }
    TG_TRY(sources.holds, parts.holds.list({.active_only = true, .limit = audit::keep::Holds::kActiveMax}));
    if (parts.drift != nullptr) sources.alerts = alerts_of(*parts.drift);
    return sources;
}

/// What the log says of a report.
std::string said_of(const Report& report, std::string_view body, std::string_view format) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("from", format_rfc3339(report.query.from)).field("to", format_rfc3339(report.query.to));
    writer.field("tenant", report.query.tenant).field("service", report.query.service);
    writer.field("model", report.query.model).field("of_subject", !report.query.subject.empty());
    for (const Outcome outcome : {Outcome::kHolds, Outcome::kFails, Outcome::kCannotBeJudged}) {
        writer.field(to_string(outcome), std::ranges::count(report.controls, outcome, &ControlResult::outcome));
    }
    if (report.head) writer.field("checkpoint_size", report.head->head.size);
    writer.field("format", format).field("sha256", to_hex(sha256(body))).end_object();
    return out;
}

http::Response response_of(std::string body, bool html) {
    http::Response response;
    response.headers.add("Content-Type", html ? "text/html; charset=utf-8" : "application/json");
    // Nothing but its own style, wherever it is opened.
    if (html) response.headers.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    response.body = std::move(body);
    return response;
}

void answer_report(const ContextPtr& context, const ReportParts& parts, std::string_view name) {
    const auto query = take_query(context, parts);
    if (!query) return;
    const auto sources = sources_of(parts);
    if (!sources) return context->fail(sources.error());
    const PassLimits limits{.records_max = parts.settings.records_max,
                            .rows_max = parts.settings.rows_max,
                            .cancelled = [&context] { return context->client_gone(); }};
    auto report = make_report(name, *query, *sources, limits);
    if (!report) return context->fail(report.error());
    audit::Decision event = access_event(*context, fmt::format("report/{}", name), {});
    report->event_id = to_string(event.id);
    const bool html = context->query("format").value_or("json") == "html";
    std::string body = html ? to_html(*report) : to_json(*report);
    event.output = said_of(*report, body, html ? "html" : "json");
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context->record(std::move(events), [context, html, body = std::move(body)](Result<void> durable) mutable {
        if (durable) return context->reply(response_of(std::move(body), html));
        context->fail({ErrorCode::kUnavailable,
                       "That the report was made could not be recorded, so it is not given; ask again."});
    });
}

/// At most `reports_max` at once: a pass holds its thread and reads the disk as fast as it can.
pipeline::Handler limited(const ReportParts& parts, std::string name,
                          const std::shared_ptr<std::atomic<std::uint32_t>>& running) {
    return [parts, running, name = std::move(name)](const ContextPtr& context) {
        const bool room = running->fetch_add(1, std::memory_order_acq_rel) < parts.settings.reports_max;
        if (room) {
            answer_report(context, parts, name);
        } else {
            context->fail({ErrorCode::kUnavailable,
                           "As many reports as compliance.reports_max allows are being made; ask again later."});
        }
        running->fetch_sub(1, std::memory_order_acq_rel);
    };
}

Schema control_schema() {
    return Schema::object({
        required("id", Schema::string()),
        required("reference", Schema::string().doc("Where it is written.")),
        required("must", Schema::string().doc("What must be true.")),
        required("how", Schema::string().doc("How it is judged.")),
        required("over", Schema::string().one_of({"question", "whole_log"})),
        required("outcome", Schema::string().one_of({"holds", "fails", "cannot_be_judged"})),
        required("reason", Schema::string()),
        required("n", Schema::integer().doc("What was looked at.")),
        required("failing", Schema::integer().doc("Of it; all are counted.")),
        required("rows",
                 Schema::array(Schema::object({}).open()).doc("The first of those that fail: id, leaf, time, why.")),
        required("rows_truncated", Schema::boolean()),
        required("query", Schema::object({}).open().nullable().doc("method, path, body: how to see the evidence.")),
    });
}

Schema report_schema() {
    const Schema time = Schema::string().format("date-time");
    return Schema::object({
        required("report", Schema::string()),
        required("title", Schema::string()),
        required("preface", Schema::string()),
        required("question", Schema::object({}).open()),
        required("made_at", time),
        required("event_id", Schema::string().nullable().doc("Of the record that says it was made, with its SHA-256.")),
        required("log_id", Schema::string()),
        required("checkpoint", Schema::object({}).open().nullable().doc("size, root, time, note, verifier_key.")),
        required("leaves",
                 Schema::array(Schema::object({}).open()).doc("Ranges that were read: from, to (exclusive).")),
        required("records_read", Schema::integer()),
        required("decisions", Schema::integer()),
        required("events", Schema::integer()),
        required("notes", Schema::array(Schema::string())),
        required("summary", Schema::object({}).open().doc("Controls by outcome.")),
        required("controls", Schema::array(control_schema())),
    });
}

pipeline::Route report_route(const ReportParts& parts, const std::string& name,
                             const std::shared_ptr<std::atomic<std::uint32_t>>& running) {
    std::string operation = "compliance_report_" + name;
    std::ranges::replace(operation, '-', '_');
    std::vector<Schema::Member> members{
        required("from", Schema::string().format("date-time").doc("Of the decision's time, inclusive.")),
        required("to", Schema::string().format("date-time").doc("Exclusive.")),
        optional("service", Schema::string().size(1, 200)),
        optional("model", Schema::string().size(1, 200)),
    };
    if (name == "gdpr") {
        members.push_back(
            optional("subject", Schema::string().size(1, 200).doc("As it stands in the decisions' `actor`.")));
    }
    return {
        .method = http::Method::kPost,
        .path = "/api/compliance/prebuilt/" + name,
        .operation = operation,
        .family = "compliance",
        .summary =
            "A report from the record: each control, its query, the rows that fail it, and what cannot be judged.",
        .work = pipeline::Work::kBlocking,
        .request = Schema::object(std::move(members)),
        .query = {{.name = "format",
                   .schema = Schema::string().one_of({"json", "html"}).doc("Default json; html is a page to print.")}},
        .response = report_schema(),
        .scopes = {"compliance:audit", "compliance:officer"},
        .body_bytes_max = 4 * 1024,
        .example = R"({"from":"2026-01-01T00:00:00Z","to":"2027-01-01T00:00:00Z"})",
        .handler = limited(parts, name, running),
    };
}

}  // namespace

void register_report_routes(std::vector<pipeline::Route>& routes, const ReportParts& parts) {
    const auto running = std::make_shared<std::atomic<std::uint32_t>>(0);
    for (const std::string_view name : report_names()) {
        routes.push_back(report_route(parts, std::string(name), running));
    }
}

}  // namespace tidegate::compliance
