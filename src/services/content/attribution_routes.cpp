// /attributions: who built on whose card; under /api/attributions, too.
#include <set>

#include "services/content/replies.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kAttributionBytesMax = 64 * 1024;
constexpr std::size_t kGraphCardsMax = 500;
constexpr std::size_t kGraphEdgesMax = 200;  // Of one card.
constexpr std::size_t kGraphBytesMax = std::size_t{8} * 1024 * 1024;

void answer_attribute(const ContextPtr& context, ContentService& service) {
    const json::Value body = context->body();
    Attribution wanted;
    wanted.source_card_id = text_of(body, "source_card_id");
    wanted.target_card_id = text_of(body, "target_card_id");
    wanted.user_id = text_of(body, "user_id");
    wanted.context = text_of(body, "context");
    wanted.excerpt = text_of(body, "excerpt");
    const std::string type = text_of(body, "attribution_type"), other = text_of(body, "type");
    if (type.empty() == other.empty()) {
        return context->fail({{"attribution_type", "or its other name type must be there, one of the two", "missing"}});
    }
    wanted.type = type.empty() ? other : type;
    answer_change(
        context, service, 201,
        [wanted, metadata = json_of(body, "metadata", "")](Books& books, const Actor& actor) -> Result<std::string> {
            TG_TRY(const Attribution made, books.attribute(actor, wanted, metadata));
            std::string out;
            JsonWriter writer(out);
            write_attribution(writer, made);
            return out;
        });
}

/// Cards within `depth` steps of one, either way; a card that the actor may not see ends its branch.
Result<std::string> graph_json(Books& books, const Actor& actor, const std::string& root, std::int64_t depth) {
    TG_TRY(Card first, books.card(actor, root));
    first.body.clear();  // Of a card its title is drawn.
    std::vector<Card> nodes{std::move(first)};
    std::set<std::string, std::less<>> known{root}, drawn;
    std::string edges;
    JsonWriter edge_writer(edges);
    edge_writer.begin_array();
    bool whole = true;
    std::size_t from = 0;
    for (std::int64_t step = 0; step < depth; ++step) {
        const std::size_t to = nodes.size();
        for (; from < to; ++from) {
            TG_TRY(const auto about, books.attributions_about(actor, nodes[from].id, kGraphEdgesMax));
            whole = whole && about.size() < kGraphEdgesMax;
            for (const Attribution& one : about) {
                const std::string& other =
                    one.source_card_id == nodes[from].id ? one.target_card_id : one.source_card_id;
                if (other.empty()) continue;  // Not to be seen.
                if (!known.contains(other)) {
                    if (nodes.size() == kGraphCardsMax) {
                        whole = false;
                        continue;
                    }
                    auto card = books.card(actor, other);
                    if (!card && card.error().code == ErrorCode::kNotFound) continue;  // Removed.
                    if (!card) return std::unexpected(card.error());
                    known.insert(other);
                    card->body.clear();
                    nodes.push_back(*std::move(card));
                }
                if (edges.size() >= kGraphBytesMax) {
                    whole = false;
                } else if (drawn.insert(one.id).second) {
                    write_attribution(edge_writer, one);
                }
            }
        }
    }
    edge_writer.end_array();
    std::string out;
    JsonWriter writer(out);
    writer.begin_object()
        .field("card_id", root)
        .field("depth", depth)
        .field("complete", whole)
        .key("nodes")
        .begin_array();
    for (const Card& card : nodes) {
        writer.begin_object()
            .field("card_id", card.id)
            .field("title", card.title)
            .field("user_id", card.user_id)
            .end_object();
    }
    writer.end_array().key("edges").raw(edges).end_object();
    return out;
}

void add_list(std::vector<pipeline::Route>& routes, ContentService& service, const std::string& path,
              const std::string& operation, bool received) {
    add_page_route(
        routes, path, operation,
        received ? "What others' cards built on a user's, newest first." : "What was built on a card, newest first.",
        received ? "user_id" : "card_id",
        [&service, received](const ContextPtr& context) {
            const auto ask = page_ask(context);
            if (!ask) return;
            answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                const std::string_view id = context->path_parameter(received ? "user_id" : "card_id");
                TG_TRY(const auto page, received ? books.attributions_received(actor, id, ask->before, ask->limit)
                                                 : books.attributions_of_card(actor, id, ask->before, ask->limit));
                return page_json(page, write_attribution);
            });
        },
        attribution_schema());
}

void add_graph(std::vector<pipeline::Route>& routes, ContentService& service, const std::string& root,
               const std::string& suffix) {
    pipeline::Route route;
    route.method = http::Method::kGet;
    route.path = root + "/{card_id}/graph";
    route.operation = "attribution_graph" + suffix;
    route.family = std::string(kService);
    route.summary = "The cards about one and how they build on each other.";
    route.work = pipeline::Work::kBlocking;
    route.path_parameters = {{.name = "card_id", .schema = Schema::string().size(1, 128), .required = true}};
    route.query = {
        {.name = "depth", .schema = Schema::integer().range(1, 3).doc("Steps from the card; 2 by default.")}};
    route.response = Schema::object(
        {required("card_id", Schema::string()), required("depth", Schema::integer()),
         required("complete", Schema::boolean().doc("False: more cards or edges than one answer holds.")),
         required("nodes", Schema::array(Schema::object({required("card_id", Schema::string()),
                                                         required("title", Schema::string()),
                                                         required("user_id", Schema::string())}))),
         required("edges", Schema::array(attribution_schema()))});
    route.scopes = {"content:read"};
    route.handler = [&service](const ContextPtr& context) {
        answer_read(context, service, [&](Books& books, const Actor& actor) {
            return graph_json(books, actor, std::string(context->path_parameter("card_id")),
                              context->query_int("depth").value_or(2));
        });
    };
    routes.push_back(std::move(route));
}

void add_one(std::vector<pipeline::Route>& routes, ContentService& service, const std::string& root,
             const std::string& suffix) {
    pipeline::Route make;
    make.method = http::Method::kPost;
    make.path = root;
    make.operation = "create_attribution" + suffix;
    make.family = std::string(kService);
    make.summary = "Says that one card builds on another and pays its author: citation 0.1, remix 0.5, reply 0.05.";
    make.work = pipeline::Work::kCpu;
    const Schema kind = Schema::string().one_of({"citation", "remix", "reply"});
    make.request = Schema::object(
        {required("source_card_id", Schema::string().size(1, 128).doc("The card that is built on.")),
         required("target_card_id",
                  Schema::string().size(1, 128).doc("The card that builds on it; one of the caller's.")),
         optional("attribution_type", kind), optional("type", kind.doc("Another name of attribution_type.")),
         optional("user_id", Schema::string().size(1, 128).doc("Who pays; absent: the target's user.")),
         optional("context", Schema::string().size(0, 2000)), optional("excerpt", Schema::string().size(0, 2000)),
         optional("metadata", Schema::object({}).open()), idempotency_member()});
    make.response = attribution_schema();
    make.answer_status = 201;
    make.scopes = {"content:write"};
    make.body_bytes_max = kAttributionBytesMax;
    make.example = R"({"source_card_id":"card-1","target_card_id":"card-2","attribution_type":"citation"})";
    make.handler = [&service](const ContextPtr& context) { answer_attribute(context, service); };
    routes.push_back(std::move(make));
    pipeline::Route detail;
    detail.method = http::Method::kGet;
    detail.path = root + "/detail/{attribution_id}";
    detail.operation = "get_attribution" + suffix;
    detail.family = std::string(kService);
    detail.summary = "One attribution.";
    detail.work = pipeline::Work::kBlocking;
    detail.path_parameters = {{.name = "attribution_id", .schema = Schema::string().size(1, 128), .required = true}};
    detail.response = attribution_schema();
    detail.scopes = {"content:read"};
    detail.handler = [&service](const ContextPtr& context) {
        answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
            TG_TRY(const Attribution found, books.attribution(actor, context->path_parameter("attribution_id")));
            std::string out;
            JsonWriter writer(out);
            write_attribution(writer, found);
            return out;
        });
    };
    routes.push_back(std::move(detail));
}

}  // namespace

void register_attribution_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    for (const bool alias : {false, true}) {
        const std::string root = alias ? "/api/attributions" : "/attributions", suffix = alias ? "_api" : "";
        add_one(routes, service, root, suffix);
        add_list(routes, service, root + "/{card_id}", "list_attributions" + suffix, false);
        add_list(routes, service, root + "/users/{user_id}/received", "attributions_received" + suffix, true);
        add_graph(routes, service, root, suffix);
    }
}

}  // namespace tidegate::content
