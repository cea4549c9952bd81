#include "services/compliance/erase_routes.h"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "pipeline/context.h"
#include "pipeline/problem.h"
#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {
namespace {

using audit::privacy::Erased;
using audit::privacy::Erasure;
using audit::privacy::Vault;
using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Route;
using pipeline::Schema;

constexpr std::string_view kEraseSubject = "erase/subject";
constexpr std::string_view kEraseMonth = "erase/month";
constexpr std::string_view kReadContent = "access/content";
constexpr std::string_view kContent = "compliance:content";

std::string tenant_of(const ContextPtr& context) {
    return context->caller() ? context->caller()->tenant : std::string();
}

/// `2026-11` as 202611; nullopt otherwise.
std::optional<int> parse_month(std::string_view text) {
    if (text.size() != 7 || text[4] != '-') return std::nullopt;
    const auto year = parse_u64(text.substr(0, 4));
    const auto month = parse_u64(text.substr(5));
    if (!year || !month || *year < 1970 || *month < 1 || *month > 12) return std::nullopt;
    return static_cast<int>(*year * 100 + *month);
}

std::string month_text(int month) {
    std::string digits = std::to_string(month);
    return digits.substr(0, 4) + "-" + digits.substr(4);
}

/// What the log says of an erasure: nothing that names the subject.
audit::Decision event_of(audit::Decision event, const Erased& erased, int month) {
    event.kind = audit::RecordKind::kEvent;
    event.service = kService;
    event.operation = month == 0 ? kEraseSubject : kEraseMonth;
    event.input_hash = erased.subject_hash;
    event.input_size = 0;  // The hash above is not of an input.
    event.input_size_stated = false;
    JsonWriter writer(event.output);
    writer.begin_object();
    if (month == 0) {
        writer.field("subject", to_hex(erased.subject_hash));
    } else {
        writer.field("month", month_text(month));
    }
    writer.field("keys_destroyed", erased.keys_destroyed).field("contents", erased.contents);
    writer.field("time", format_rfc3339(erased.time)).end_object();
    return event;
}

std::optional<Erasure> take_erasure(const ContextPtr& context) {
    const json::Value body = context->body();
    const auto subject = body.find("subject");
    const auto month = body.find("month");
    if (subject.has_value() == month.has_value()) {
        context->fail({{"subject", "name either a subject or a month", "required"}});
        return std::nullopt;
    }
    Erasure what;
    what.tenant = tenant_of(context);
    if (subject) what.subject = subject->as_string();
    if (month) {
        const auto parsed = parse_month(month->as_string());
        if (!parsed) {
            context->fail({{"month", "is a year and a month, as 2026-11", "bad_format"}});
            return std::nullopt;
        }
        what.month = *parsed;
    }
    return what;
}

void answer_erase(const ContextPtr& context, const EraseParts& parts) {
    if (!is_named(context->caller().get(), kOfficer)) {
        return context->fail({ErrorCode::kPermissionDenied, "This needs a key whose scopes name compliance:officer."});
    }
    const auto what = take_erasure(context);
    if (!what) return;
    audit::Decision event = context->make_decision(kService, kEraseSubject, {});
    const auto erased = parts.vault.erase(*what, event.id);
    if (!erased) return context->fail(erased.error());
    event = event_of(std::move(event), *erased, what->month);
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("event_id", to_string(event.id));
    writer.field("keys_destroyed", erased->keys_destroyed).field("contents_erased", erased->contents);
    writer.field("erased_at", format_rfc3339(erased->time)).end_object();
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context->record(std::move(events), [context, &vault = parts.vault, id = erased->event,
                                        body = std::move(body)](Result<void> durable) mutable {
        if (!durable) {
            return context->fail({ErrorCode::kUnavailable,
                                  "The keys are destroyed; the event that says so could not be recorded yet and is "
                                  "appended at the next start."});
        }
        vault.note_logged(id);
        context->reply_json(std::move(body));
    });
}

/// Texts as they are, other bytes in hex.
void write_part(JsonWriter& writer, std::string_view name, const std::optional<std::string>& part) {
    if (!part) {
        writer.key(name).null();
    } else if (utf8::is_valid(*part)) {
        writer.field(name, std::string_view(*part));
    } else {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(part->data());
        writer.field(std::string(name) + "_hex", to_hex(bytes, part->size()));
    }
}

void refuse_gone(const ContextPtr& context) {
    context->reply(pipeline::problem_response(
        {.status = 410,
         .error = "erased",
         .detail = "The content was erased: the key that it was encrypted under has been destroyed. The record stays.",
         .request_id = context->request_id(),
         .path = context->head().path}));
}

void answer_content(const ContextPtr& context, const EraseParts& parts) {
    if (!is_named(context->caller().get(), kContent)) {
        return context->fail({ErrorCode::kPermissionDenied, "This needs a key whose scopes name compliance:content."});
    }
    const Uuid id = parse_uuid(context->path_parameter("id")).value();  // The schema has seen that it parses.
    const auto found = parts.vault.read(id, tenant_of(context));
    if (!found) return context->fail(found.error());
    if (found->state == audit::privacy::ContentState::kErased) return refuse_gone(context);
    if (found->state == audit::privacy::ContentState::kNone) {
        return context->fail({ErrorCode::kNotFound, "No content is kept for this decision."});
    }
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("id", to_string(id));
    write_part(writer, "input", found->content.input);
    write_part(writer, "output", found->content.output);
    writer.end_object();
    audit::Decision event = context->make_decision(kService, kReadContent, {});
    event.kind = audit::RecordKind::kEvent;
    JsonWriter(event.output).begin_object().field("record", to_string(id)).end_object();
    std::vector<audit::Decision> events;
    events.push_back(std::move(event));
    context->record(std::move(events), [context, body = std::move(body)](Result<void> durable) mutable {
        if (durable) return context->reply_json(std::move(body));
        context->fail(
            {ErrorCode::kUnavailable, "The access could not be recorded, so the content is not given; ask again."});
    });
}

Route erase_route(const EraseParts& parts) {
    Route route;
    route.method = http::Method::kPost;
    route.path = "/api/compliance/erase";
    route.operation = "compliance_erase";
    route.family = "compliance";
    route.summary = "Destroys the keys of a subject's content, or of a month's that had no subject; the records stay.";
    route.work = pipeline::Work::kBlocking;
    route.request = Schema::object({
        optional("subject", Schema::string().size(1, 200).doc("As it stands in the decisions' `actor`.")),
        optional("month", Schema::string().size(7, 7).doc("As 2026-11, UTC.")),
    });
    route.response = Schema::object({
        required("event_id", Schema::string().format("uuid").doc("Of the record in the log.")),
        required("keys_destroyed", Schema::integer().doc("0: there was nothing kept, or it was erased before.")),
        required("contents_erased", Schema::integer()),
        required("erased_at", Schema::string().format("date-time")),
    });
    route.scopes = {std::string(kOfficer)};
    route.body_bytes_max = 4 * 1024;
    route.example = R"({"subject":"key:0123456789ab"})";
    route.handler = [parts](const ContextPtr& context) { answer_erase(context, parts); };
    return route;
}

Route content_route(const EraseParts& parts) {
    Route route;
    route.method = http::Method::kGet;
    route.path = "/api/compliance/content/{id}";
    route.operation = "compliance_content";
    route.family = "compliance";
    route.summary =
        "What was asked and answered, where it is kept; 410 after its erasure. Each reading is an event in the log.";
    route.work = pipeline::Work::kBlocking;
    route.path_parameters = {{.name = "id", .schema = Schema::string().format("uuid"), .required = true}};
    route.response = Schema::object({
        required("id", Schema::string().format("uuid")),
        optional("input", Schema::string().nullable()),
        optional("output", Schema::string().nullable()),
        optional("input_hex", Schema::string().doc("In place of `input` where it is not text.")),
        optional("output_hex", Schema::string()),
    });
    route.scopes = {std::string(kContent)};
    route.handler = [parts](const ContextPtr& context) { answer_content(context, parts); };
    return route;
}

}  // namespace

void register_erase_routes(std::vector<Route>& routes, const EraseParts& parts) {
    routes.push_back(erase_route(parts));
    routes.push_back(content_route(parts));
}

Result<void> log_pending_erasures(Vault& vault, audit::DecisionLog& log) {
    TG_TRY(const auto pending, vault.unlogged());
    for (const audit::privacy::UnloggedErasure& one : pending) {
        audit::Decision event;
        event.latency_stated = event.tokens_stated = false;  // What the request took died with the process.
        event.id = one.erased.event;
        event.request_id = to_string(one.erased.event);
        event.tenant = one.tenant;
        std::promise<Result<void>> promise;
        auto durable = promise.get_future();
        log.append(event_of(std::move(event), one.erased, one.month),
                   [&promise](Result<void> outcome) { promise.set_value(std::move(outcome)); });
        const Result<void> appended = durable.get();
        // kConflict: the event is in the log; only the note of that was lost.
        if (!appended && appended.error().code != ErrorCode::kConflict) return appended;
        vault.note_logged(one.erased.event);
    }
    return {};
}

}  // namespace tidegate::compliance
