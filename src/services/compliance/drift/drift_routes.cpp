// The read side: alerts, statistics, report, stream.
#include "services/compliance/drift/drift_routes.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/strings.h"
#include "http/sse.h"
#include "services/compliance/drift/alert_json.h"
#include "services/compliance/drift/change_routes.h"
#include "services/compliance/drift/report.h"
#include "services/compliance/drift/scope.h"

namespace tidegate::compliance {
namespace {

using drift::Alert;
using drift::Stream;
using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::int64_t kPage = 50;

bool matches(const std::optional<std::string>& wanted, std::string_view value) {
    return !wanted || *wanted == value;
}

std::optional<std::uint64_t> take_cursor(const ContextPtr& context, bool& bad) {
    const auto text = context->query("cursor");
    if (!text) return std::nullopt;
    const auto id = parse_u64(*text);
    bad = !id;
    if (bad) context->fail({{"cursor", "is not one that a page has given", "not_allowed"}});
    return id;
}

void answer_alerts(const ContextPtr& context, const DriftParts& parts) {
    bool bad = false;
    const auto cursor = take_cursor(context, bad);
    if (bad) return;
    const Reach scope = drift_reach(*context, parts);
    const auto state = context->query("state");
    const auto service = context->query("service");
    const auto tenant = context->query("tenant");
    if (refuse_other(*context, scope, tenant)) return;
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(kPage));
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    std::size_t total = 0;
    std::size_t shown = 0;
    std::uint64_t last = 0;
    bool more = false;
    parts.watch.read([&](const drift::Monitor&, const drift::Alerts& alerts) {
        for (const Alert* const alert : alerts.list(parts.settings.alerts_max, false)) {
            if (!scope.sees(alert->key.tenant) || !matches(tenant, alert->key.tenant)) continue;
            if (!matches(state, to_string(alert->state)) || !matches(service, alert->key.service)) continue;
            ++total;
            if (cursor && alert->id >= *cursor) continue;
            more = shown == limit;
            if (more) continue;
            append_json(writer, *alert);
            last = alert->id;
            ++shown;
        }
    });
    writer.end_array().key("next_cursor");
    more ? writer.value(std::to_string(last)) : writer.null();
    writer.field("total", total).end_object();
    context->reply_json(std::move(body));
}

void answer_statistics(const ContextPtr& context, const DriftParts& parts) {
    const Reach scope = drift_reach(*context, parts);
    const auto service = context->query("service");
    const auto stream_filter = context->query("stream");
    const auto cursor = context->query("cursor");
    const auto limit = static_cast<std::size_t>(context->query_int("limit").value_or(kPage));
    const DriftHealth health = parts.watch.health();
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("position", health.position).field("looked_at", health.looked_at);
    if (scope.all) {
        writer.field("unwatched_decisions", health.unwatched).field("missed_records", health.missed);
        writer.field("streams_max", parts.settings.streams_max);
    }
    writer.field("false_alarms_a_month_and_stream", parts.settings.alarms_a_month);
    writer.key("streams").begin_array();
    std::size_t total = 0;
    std::size_t shown = 0;
    std::string last;
    bool more = false;
    bool begun = !cursor;
    parts.watch.read([&](const drift::Monitor& monitor, const drift::Alerts&) {
        for (const Stream* const stream : monitor.streams()) {
            const std::string id = stream_id(stream->key());
            if (!scope.sees(stream->key().tenant) || !matches(service, stream->key().service)) continue;
            if (!matches(stream_filter, id)) continue;
            ++total;
            const bool is_cursor = cursor && *cursor == id;
            if (begun && shown < limit) {
                append_json(writer, *stream, monitor.options());
                last = id;
                ++shown;
            } else if (begun) {
                more = true;
            }
            begun = begun || is_cursor;
        }
    });
    if (!begun) return context->fail({{"cursor", "is not one that a page has given", "not_allowed"}});
    writer.end_array().key("next_cursor");
    more ? writer.value(last) : writer.null();
    writer.field("total", total).end_object();
    context->reply_json(std::move(body));
}

void answer_report(const ContextPtr& context, const DriftParts& parts) {
    const Reach scope = drift_reach(*context, parts);
    const auto service = context->query("service");
    const bool html = context->query("format").value_or("json") == "html";
    std::string body;
    parts.watch.read([&](const drift::Monitor& monitor, const drift::Alerts& alerts) {
        const ReportInput input{.now = parts.clock.unix_ms(),
                                .monitor = monitor,
                                .alerts = alerts,
                                .wanted = [&](const std::string& tenant, const std::string& of) {
                                    return scope.sees(tenant) && matches(service, of);
                                }};
        body = html ? report_html(input) : report_json(input);
    });
    if (!html) return context->reply_json(std::move(body));
    http::Response response;
    response.headers.add("Content-Type", "text/html; charset=utf-8");
    response.headers.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    response.body = std::move(body);
    context->reply(std::move(response));
}

void answer_stream(const ContextPtr& context, const DriftParts& parts) {
    const Reach scope = drift_reach(*context, parts);
    const std::optional<std::string> tenant = scope.tenant_filter();
    if (const auto room = parts.watch.listeners().check_room(tenant); !room) return context->fail(room.error());
    http::Response head;
    head.headers.add("Content-Type", http::kEventStreamType);
    auto stream = context->start_stream(std::move(head));
    // No event will ever follow: the head alone is the answer.
    if (context->head().method == http::Method::kHead) return stream->finish();
    std::string first;
    http::append_comment(first, "alerts and statistics");
    if (stream->write(first) != http::Stream::Outcome::kAccepted) return;
    parts.watch.listeners().add(std::move(stream), tenant, parts.clock.now());
}

Route read_route(std::string path, std::string operation, std::string summary) {
    Route route;
    route.method = http::Method::kGet;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = "compliance";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = kReadScopes;
    route.scopes.emplace_back(kOfficer);  // Who acknowledges an alert sees it.
    return route;
}

pipeline::Parameter service_parameter() {
    return {.name = "service",
            .schema = Schema::string().size(1, 200).doc("`provenance`, a proxy route's family, ...")};
}

std::vector<pipeline::Parameter> paging() {
    return {service_parameter(),
            {.name = "limit", .schema = Schema::integer().range(1, 500).doc("Default 50.")},
            {.name = "cursor", .schema = Schema::string().size(1, 64).doc("`next_cursor` of the page before.")}};
}

}  // namespace

Schema alert_schema() {
    const Schema time = Schema::string().format("date-time");
    const Schema evidence = Schema::object({
        required("test", Schema::string().doc("psi, ks, chi_square or tandem.")),
        required("statistic", Schema::number()),
        required("effect", Schema::number().doc("What chance alone brings is taken off.")),
        required("p", Schema::number().doc("Corrected over the features of the look.")),
        required("threshold", Schema::number()),
        required("n", Schema::integer().doc("Values in the window.")),
        required("reference_n", Schema::integer()),
        required("contribution", Schema::number().doc("Share of the feature in all that changed, 0 to 1.")),
        required("what_changed", Schema::array(Schema::object({}).open()).doc("cell, before, now, contribution.")),
    });
    return Schema::object({
        required("id", Schema::integer()),
        required("state", Schema::string().one_of({"open", "acknowledged", "resolved", "suppressed"})),
        required("stream", Schema::string()),
        required("service", Schema::string()),
        required("operation", Schema::string()),
        required("model", Schema::string()),
        required("tenant", Schema::string()),
        required("segment", Schema::string().doc("Empty: all decisions; else `tag=value`.")),
        required("feature", Schema::string()),
        required("opened_at", time),
        required("last_seen_at", time),
        required("suppressed_until", time.nullable()),
        required("seen", Schema::integer().doc("Looks that found it.")),
        required("latest", evidence),
        required("worst", evidence),
        required("history", Schema::array(Schema::object({}).open()).doc("at, from, to, actor, note.")),
    });
}

void register_drift_routes(std::vector<Route>& routes, const DriftParts& parts) {
    Route alerts = read_route("/api/drift/alerts", "drift_alerts", "Alerts about drift, newest first.");
    alerts.query = paging();
    alerts.query.push_back(
        {.name = "state", .schema = Schema::string().one_of({"open", "acknowledged", "resolved", "suppressed"})});
    alerts.query.push_back(
        {.name = "tenant", .schema = Schema::string().size(0, 128).doc("One's own; whoever sees all may name any.")});
    alerts.response =
        Schema::object({required("items", Schema::array(alert_schema())),
                        required("next_cursor", Schema::string().nullable()), required("total", Schema::integer())});
    alerts.example = "limit=5";
    alerts.handler = [parts](const ContextPtr& context) { answer_alerts(context, parts); };
    routes.push_back(std::move(alerts));

    Route statistics = read_route("/api/drift/statistics", "drift_statistics",
                                  "Streams, their baselines and the tests of their last look, each with n.");
    statistics.query = paging();
    statistics.query.push_back({.name = "stream", .schema = Schema::string().size(16, 16).doc("A stream's id.")});
    statistics.response = Schema::object({
        required("position", Schema::integer().doc("Records of the log taken over.")),
        required("looked_at", Schema::integer().doc("Of them, those that the monitor has behind it.")),
        pipeline::optional("unwatched_decisions", Schema::integer().doc("Beyond streams_max; for whoever sees all.")),
        pipeline::optional("missed_records", Schema::integer().doc("Removed by retention before a look.")),
        pipeline::optional("streams_max", Schema::integer()),
        required("false_alarms_a_month_and_stream", Schema::number()),
        required("streams", Schema::array(Schema::object({}).open())),
        required("next_cursor", Schema::string().nullable()),
        required("total", Schema::integer()),
    });
    statistics.example = "limit=5";
    statistics.handler = [parts](const ContextPtr& context) { answer_statistics(context, parts); };
    routes.push_back(std::move(statistics));

    Route report = read_route("/api/drift/report", "drift_report", "All of it as JSON or as a page to print.");
    report.query = {service_parameter(),
                    {.name = "format", .schema = Schema::string().one_of({"json", "html"}).doc("Default json.")}};
    report.response = Schema::object({}).open();
    report.example = "format=json";
    report.handler = [parts](const ContextPtr& context) { answer_report(context, parts); };
    routes.push_back(std::move(report));

    Route stream = read_route("/api/drift/stream", "drift_stream",
                              "Server-sent events: `alert` when one changes, `statistics` after a look.");
    stream.response =
        Schema::string().doc("Events; their data is what the other routes answer for one alert or stream.");
    stream.response_type = "text/event-stream";
    stream.handler = [parts](const ContextPtr& context) { answer_stream(context, parts); };
    routes.push_back(std::move(stream));

    register_drift_change_routes(routes, parts);
}

}  // namespace tidegate::compliance
