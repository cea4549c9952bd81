// POST /api/compliance/query, GET /request/{request_id}, GET /duplicates/{input_hash}: records, to whom they are meant.
#include <algorithm>
#include <functional>
#include <iterator>

#include "audit/privacy/policy.h"
#include "base/ids.h"
#include "base/strings.h"
#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::size_t kFoundMax = 500;

/// Answers once the event that says who read this is durable.
void reply_audited(const ContextPtr& context, audit::Decision event, std::string body) {
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context->reply_recorded(std::move(events), std::move(body));
}

void answer_query(const ContextPtr& context, const QueryParts& parts) {
    const auto filter =
        take_filter(*context, reach_of(context->caller().get(), parts.loopback_without_keys), From::kBody);
    if (!filter) return;
    const json::Value asked = context->body();
    audit::HistoryQuery query;
    query.filter = *filter;
    if (const auto limit = asked.find("limit")) query.limit = static_cast<std::size_t>(limit->as_int());
    if (const auto offset = asked.find("offset")) query.offset = static_cast<std::size_t>(offset->as_int());
    const auto cursor = asked.find("cursor");
    if (cursor && cursor->kind() == json::Kind::kString) query.cursor = cursor->as_string();
    const auto page = parts.history.page(query);
    if (!page) return context->fail(page.error());
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("count", page->items.size()).key("results").begin_array();
    for (const audit::Decision& decision : page->items) audit::append_json(writer, decision);
    writer.end_array().key("next_cursor");
    page->next_cursor.empty() ? writer.null() : writer.value(page->next_cursor);
    if (page->total) writer.field("total", *page->total);
    writer.end_object();
    reply_audited(context, access_event(*context, "access/query", to_json(*filter)), std::move(body));
}

/// The answer of both look-ups; `found` is one longer than what is given where there is more.
void reply_found(const ContextPtr& context, std::string_view operation, std::string_view name, std::string_view value,
                 const std::vector<audit::Decision>& found) {
    std::string body;
    JsonWriter writer(body);
    const std::size_t count = std::min(found.size(), kFoundMax);
    writer.begin_object().field(name, value).field("count", count).field("truncated", found.size() > count);
    writer.key("results").begin_array();
    for (std::size_t i = 0; i < count; ++i) audit::append_json(writer, found[i]);
    writer.end_array().end_object();
    std::string what;
    JsonWriter(what).begin_object().field(name, value).field("count", count).end_object();
    reply_audited(context, access_event(*context, operation, std::move(what)), std::move(body));
}

void answer_request(const ContextPtr& context, const QueryParts& parts) {
    const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
    const std::string_view request_id = context->path_parameter("request_id");
    const auto found = parts.history.by_request(request_id, reach.tenant_filter(), kFoundMax + 1);
    if (!found) return context->fail(found.error());
    // Another tenant's request looks exactly like one that does not exist.
    if (found->empty()) return context->fail({ErrorCode::kNotFound, "No decision of this request is on record."});
    reply_found(context, "access/request", "request_id", request_id, *found);
}

void answer_decision(const ContextPtr& context, const QueryParts& parts) {
    const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
    const std::string_view text = context->path_parameter("id");
    const auto id = parse_uuid(text);
    if (!id) return context->fail({ErrorCode::kInvalidArgument, "The id is no UUID."});
    const auto found = parts.history.get(*id, reach.tenant_filter());
    if (!found) return context->fail(found.error());
    std::string body;
    JsonWriter writer(body);
    audit::append_json(writer, *found);
    std::string what;
    JsonWriter(what).begin_object().field("id", text).end_object();
    reply_audited(context, access_event(*context, "access/decision", std::move(what)), std::move(body));
}

std::optional<Sha256> parse_hash(std::string_view text) {
    Sha256 hash{};
    if (text.size() != 2 * hash.size()) return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t digit = std::string_view("0123456789abcdef").find(text[i]);
        if (digit == std::string_view::npos) return std::nullopt;
        hash[i / 2] = static_cast<std::uint8_t>(hash[i / 2] << 4U | digit);
    }
    return hash;
}

/// The records of one input, newest first: under its plain SHA-256, as who has the input knows it, or as a record has it.
Result<std::vector<audit::Decision>> find_input(const QueryParts& parts, const std::optional<std::string>& tenant,
                                                const Sha256& hash) {
    std::vector<Sha256> stored{hash};
    if (parts.privacy != nullptr) {
        TG_TRY(stored, parts.privacy->stored_hashes(tenant.value_or(""), hash));
    }
    std::vector<audit::Decision> all;
    for (const Sha256& one : stored) {
        TG_TRY(auto found, parts.history.by_input(one, tenant, kFoundMax + 1));
        // Only where the settings have changed in between are there records under more than one.
        std::vector<audit::Decision> merged;
        const auto time = [](const audit::Decision& decision) { return decision.time(); };
        std::ranges::merge(std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()),
                           std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()),
                           std::back_inserter(merged), std::ranges::greater(), time, time);
        all = std::move(merged);
    }
    if (all.size() > kFoundMax + 1) all.erase(all.begin() + kFoundMax + 1, all.end());
    return all;
}

void answer_duplicates(const ContextPtr& context, const QueryParts& parts) {
    const Reach reach = reach_of(context->caller().get(), parts.loopback_without_keys);
    auto tenant = context->query("tenant");
    if (!reach.all) {
        if (tenant && *tenant != reach.tenant) {
            return context->fail({ErrorCode::kPermissionDenied, "The key sees its own tenant's records only."});
        }
        tenant = reach.tenant;
    }
    const std::string text = to_lower(context->path_parameter("input_hash"));
    const auto hash = parse_hash(text);
    if (!hash) return context->fail({{"input_hash", "must be 64 hexadecimal digits", "bad_format"}});
    const auto found = find_input(parts, tenant, *hash);
    if (!found) return context->fail(found.error());
    reply_found(context, "access/duplicates", "input_hash", text, *found);
}

Schema found_schema(std::string_view name) {
    return Schema::object({
        required(std::string(name), Schema::string()),
        required("count", Schema::integer()),
        required("truncated", Schema::boolean().doc("There are more than the 500 newest that are given.")),
        required("results", Schema::array(record_schema())),
    });
}

pipeline::Route query_route(const QueryParts& parts) {
    std::vector<Schema::Member> members = filter_members();
    members.push_back(optional("limit", Schema::integer().range(1, 500).doc("Default 50.")));
    members.push_back(
        optional("cursor", Schema::string().size(1, 64).nullable().doc("`next_cursor` of the page before.")));
    members.push_back(
        optional("offset", Schema::integer().range(0, 10'000).doc("Alias of a cursor for clients that count.")));
    return {
        .method = http::Method::kPost,
        .path = "/api/compliance/query",
        .operation = "compliance_query",
        .family = "compliance",
        .summary = "Decisions on record that match a filter, the last recorded first. Each query is itself recorded.",
        .work = pipeline::Work::kBlocking,
        .request = Schema::object(std::move(members)),
        .response = Schema::object({
            required("count", Schema::integer().doc("Of this page.")),
            required("results", Schema::array(record_schema())),
            required("next_cursor", Schema::string().nullable()),
            optional("total", Schema::integer().doc("Of the filter; absent where counting would be slow.")),
        }),
        .scopes = kReadScopes,
        .body_bytes_max = 16 * 1024,
        .example = R"({"service":"provenance","limit":5})",
        .handler = [parts](const ContextPtr& context) { answer_query(context, parts); },
    };
}

}  // namespace

void register_record_routes(std::vector<pipeline::Route>& routes, const QueryParts& parts) {
    routes.push_back(query_route(parts));
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/decision/{id}",
        .operation = "compliance_decision",
        .family = "compliance",
        .summary = "One decision by its id.",
        .work = pipeline::Work::kBlocking,
        .path_parameters = {{.name = "id", .schema = Schema::string().format("uuid"), .required = true}},
        .response = record_schema(),
        .scopes = kReadScopes,
        .handler = [parts](const ContextPtr& context) { answer_decision(context, parts); },
    });
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/request/{request_id}",
        .operation = "compliance_request",
        .family = "compliance",
        .summary = "The decisions that one request led to, newest first.",
        .work = pipeline::Work::kBlocking,
        .path_parameters = {{.name = "request_id", .schema = Schema::string().size(1, 128), .required = true}},
        .response = found_schema("request_id"),
        .scopes = kReadScopes,
        .handler = [parts](const ContextPtr& context) { answer_request(context, parts); },
    });
    routes.push_back({
        .method = http::Method::kGet,
        .path = "/api/compliance/duplicates/{input_hash}",
        .operation = "compliance_duplicates",
        .family = "compliance",
        .summary = "The decisions about one and the same input, newest first.",
        .work = pipeline::Work::kBlocking,
        .query =
            {{.name = "tenant",
              .schema = Schema::string().size(0, 200).doc(
                  "One's own; whoever sees all names the one under whose key an input's own SHA-256 is looked up.")}},
        .path_parameters = {{.name = "input_hash",
                             .schema = Schema::string().size(64, 64).doc(
                                 "SHA-256 in hex: of the input itself, or as a decision names it."),
                             .required = true}},
        .response = found_schema("input_hash"),
        .scopes = kReadScopes,
        .handler = [parts](const ContextPtr& context) { answer_duplicates(context, parts); },
    });
}

}  // namespace tidegate::compliance
