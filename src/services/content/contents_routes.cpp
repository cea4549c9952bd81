// /api/contents: texts in, a page of them out, one of them, none of it.
#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "services/content/content_json.h"
#include "services/content/import_stream.h"
#include "services/content/replies.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::required;
using pipeline::Schema;

// Shorter lines are gathered: a hop to the pool and back for each block would cost more than the memory.
constexpr std::uint64_t kGatheredLinesMax = 1ULL * 1024 * 1024;

bool are_lines(const http::RequestHead& head) {
    const auto type = head.headers.get("Content-Type").value_or("");
    return type.find("ndjson") != std::string_view::npos || type.find("jsonl") != std::string_view::npos;
}

bool is_streamed(const http::RequestHead& head) {
    const std::uint64_t most = are_lines(head) ? kGatheredLinesMax : ImportStream::kWholeBytesMax;
    return !head.content_length || *head.content_length > most;
}

void write_report(JsonWriter& writer, const ImportReport& report) {
    writer.begin_object().field("received", report.received).field("stored", report.stored);
    writer.field("updated", report.updated).field("unchanged", report.unchanged).field("failed", report.failed);
    writer.key("content_ids").begin_array();
    for (const std::string& id : report.ids) writer.value(std::string_view(id));
    writer.end_array().field("content_ids_left_out", report.ids_left_out).key("errors").begin_array();
    for (const ImportFault& fault : report.faults) {
        writer.begin_object().field("line", fault.line).field("field", fault.error.field);
        writer.field("type", fault.error.type).field("message", fault.error.message).end_object();
    }
    writer.end_array().end_object();
}

void import_gathered(const ContextPtr& context, ContentService& service, bool lines) {
    Import import(service.library(), actor_of(*context).tenant, service.settings().items_max);
    Result<void> done = lines ? import.add(context->raw_body()) : import.add_whole(context->raw_body());
    if (done) done = import.finish();
    count_import(service, import.report());
    if (done) return answer_import(context, import.report(), lines);
    context->fail({done.error().code, done.error().message + " " + stored_so_far(import.report())});
}

void import_streamed(const ContextPtr& context, ContentService& service, bool lines) {
    const http::RequestHead& head = context->head();
    if (head.headers.get("Content-Encoding")) {
        return context->fail({ErrorCode::kUnsupportedMedia, "The body must not be compressed."});
    }
    const std::uint64_t most = lines ? service.settings().import_bytes_max : ImportStream::kWholeBytesMax;
    if (head.content_length.value_or(0) > most) {
        return context->fail({ErrorCode::kTooLarge,
                              lines
                                  ? "The body is longer than content.import_bytes_max allows. Nothing of it was stored."
                                  : "A JSON text may have 64 MiB; longer ones go as lines (application/x-ndjson)."});
    }
    auto place = service.take_import_place(actor_of(*context).tenant);
    if (!place) return context->fail(place.error());
    const auto stream = std::make_shared<ImportStream>(service, context, lines, *std::move(place));
    context->exchange()->loop().mailbox()->post([stream] { stream->start(); });
}

Schema report_schema() {
    return Schema::object(
        {required("received", Schema::integer()), required("stored", Schema::integer()),
         required("updated", Schema::integer()),
         required("unchanged", Schema::integer().doc("Had been stored just so.")),
         required("failed", Schema::integer()),
         required(
             "content_ids",
             Schema::array(Schema::string()).doc("Of those that are stored now, in their order; the first 10,000.")),
         required("content_ids_left_out", Schema::integer()),
         required(
             "errors",
             Schema::array(Schema::object({required("line", Schema::integer()), required("field", Schema::string()),
                                           required("type", Schema::string()), required("message", Schema::string())}))
                 .doc("The first 100."))});
}

void write_vectors(JsonWriter& writer, const std::optional<VectorState>& state) {
    if (!state) return static_cast<void>(writer.null());
    writer.begin_object().field("model", state->model).field("version", state->version).field("serves", state->serves);
    writer.field("reason", state->reason).field("answers", state->answers);
    writer.field("passages", state->passages).field("done", state->done).end_object();
}

void answer_page(const ContextPtr& context, ContentService& service) {
    const auto ask = page_ask(context);
    if (!ask) return;
    const SearchFilter filter{.platform = context->query("platform").value_or(""),
                              .author = context->query("author").value_or("")};
    const std::string tenant = actor_of(*context).tenant;
    const auto page = service.library().page(tenant, filter, ask->before, ask->limit);
    if (!page) return context->fail(page.error());
    const auto total = service.library().count(tenant);
    if (!total) return context->fail(total.error());
    const SpaceState space = service.library().space_of(tenant);
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (const Content& content : page->items) write_content(writer, content);
    writer.end_array().key("next_cursor");
    page->next > 0 ? writer.value(std::to_string(page->next)) : writer.null();
    writer.field("total", *total).key("space").begin_object().field("trained", space.trained);
    writer.field("chunks", space.chunks)
        .field("learnt_from", space.texts)
        .field("words", space.words)
        .field("dimensions", space.dimensions);
    writer.field("changed_since", space.changed).end_object().key("vectors");
    write_vectors(writer, service.library().vectors_of(tenant));
    writer.end_object();
    context->reply_json(std::move(body));
}

Schema contents_page_schema() {
    return Schema::object(
        {required("items", Schema::array(stored_schema())), required("next_cursor", Schema::string().nullable()),
         required("total", Schema::integer().doc("Of the tenant, whatever the filter.")),
         required("space",
                  Schema::object({required("trained", Schema::boolean()), required("chunks", Schema::integer()),
                                  required("learnt_from", Schema::integer().doc("Chunks; of very many words not all.")),
                                  required("words", Schema::integer()), required("dimensions", Schema::integer()),
                                  required("changed_since", Schema::integer())})
                      .doc("What the search by meaning knows; not trained: searches go by words.")),
         required("vectors",
                  Schema::object({required("model", Schema::string()), required("version", Schema::string()),
                                  required("serves", Schema::boolean()), required("reason", Schema::string()),
                                  required("answers", Schema::boolean().doc("Else the space above does.")),
                                  required("passages", Schema::integer()),
                                  required("done", Schema::integer().doc("Passages that have been seen to."))})
                      .nullable()
                      .doc("Of content.vectors_model; null: none is set."))});
}

pipeline::Route contents_route(http::Method method, std::string path, std::string operation, std::string summary) {
    pipeline::Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = std::string(kService);
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.scopes = {method == http::Method::kGet ? "content:read" : "content:write"};
    return route;
}

}  // namespace

void answer_import(const ContextPtr& context, const ImportReport& report, bool lines) {
    if (report.received == 0) return context->fail({{"", "holds no content", "missing"}});
    // One alone that cannot be taken is a bad request; of several the report tells.
    if (!lines && report.received == 1 && report.failed == 1) return context->fail({report.faults.front().error});
    std::string body;
    JsonWriter writer(body);
    write_report(writer, report);
    context->reply_json(std::move(body));
}

void register_contents_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    pipeline::Route import = contents_route(
        http::Method::kPost, "/api/contents", "import_contents",
        "Stores texts to search in: one, an array, or a line each (application/x-ndjson), read while they come.");
    import.raw_body = true;
    import.raw_type = "application/x-ndjson";
    import.raw_example =
        R"({"content_id":"tides","title":"Tides","body":"The moon pulls the sea. Twice a day the water rises."})"
        "\n"
        R"({"content_id":"gates","title":"Tide gates","body":"A tide gate lets water out and keeps the sea from coming in."})"
        "\n";
    import.response = report_schema();
    // The handler refuses what is too long, with what of it is stored.
    import.body_bytes_max = std::numeric_limits<std::uint64_t>::max();
    import.streams_body = is_streamed;
    import.spend_points = Points::whole(1);
    import.handler = [&service](const ContextPtr& context) {
        const bool lines = are_lines(context->head());
        context->body_pipe() ? import_streamed(context, service, lines) : import_gathered(context, service, lines);
    };
    routes.push_back(std::move(import));

    pipeline::Route page =
        contents_route(http::Method::kGet, "/api/contents", "list_contents", "The tenant's texts, newest first.");
    page.query = page_parameters();
    page.query.push_back({.name = "platform", .schema = Schema::string().size(1, 64)});
    page.query.push_back({.name = "author", .schema = Schema::string().size(1, 200)});
    page.response = contents_page_schema();
    page.handler = [&service](const ContextPtr& context) { answer_page(context, service); };
    routes.push_back(std::move(page));

    const std::vector<pipeline::Parameter> id{
        {.name = "content_id", .schema = Schema::string().size(1, 128), .required = true}};
    pipeline::Route one =
        contents_route(http::Method::kGet, "/api/contents/{content_id}", "get_content", "One text, whole.");
    one.path_parameters = id;
    one.response = stored_schema();
    one.handler = [&service](const ContextPtr& context) {
        const auto found = service.library().find(actor_of(*context).tenant, context->path_parameter("content_id"));
        if (!found) return context->fail(found.error());
        if (!*found) return context->fail(Error{ErrorCode::kNotFound, "There is no such content."});
        std::string body;
        JsonWriter writer(body);
        write_content(writer, **found);
        context->reply_json(std::move(body));
    };
    routes.push_back(std::move(one));

    pipeline::Route remove = contents_route(http::Method::kDelete, "/api/contents/{content_id}", "remove_content",
                                            "Takes a text out; from then on nothing is answered from it.");
    remove.path_parameters = id;
    remove.response =
        Schema::object({required("content_id", Schema::string()), required("removed", Schema::boolean())});
    remove.handler = [&service](const ContextPtr& context) {
        const std::string name(context->path_parameter("content_id"));
        const auto gone = service.library().remove(actor_of(*context).tenant, name);
        if (!gone) return context->fail(gone.error());
        if (!*gone) return context->fail(Error{ErrorCode::kNotFound, "There is no such content."});
        std::string body;
        JsonWriter(body).begin_object().field("content_id", name).field("removed", true).end_object();
        context->reply_json(std::move(body));
    };
    routes.push_back(std::move(remove));
}

}  // namespace tidegate::content
