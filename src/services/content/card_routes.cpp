// /api/users, /api/cards, /publish.
#include "services/content/replies.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kCardBytesMax = 1024 * 1024;
constexpr std::size_t kPublishMax = 100;

Schema user_schema() {
    const Schema maybe = Schema::string().nullable();
    return Schema::object({required("user_id", Schema::string()), required("username", Schema::string()),
                           required("display_name", maybe), required("bio", maybe), required("avatar_url", maybe),
                           optional("email", maybe.doc("For the key that made the user alone.")),
                           required("extropy_balance", Schema::string()),
                           required("created_at", Schema::string().format("date-time"))});
}

Schema card_schema() {
    const Schema maybe = Schema::string().nullable();
    return Schema::object(
        {required("card_id", Schema::string()), required("user_id", Schema::string()),
         required("title", Schema::string()), required("body", Schema::string()),
         required("category", Schema::string()), required("privacy_level", Schema::string()),
         required("tags", Schema::array(Schema::string())), required("metadata", Schema::object({}).open().nullable()),
         required("parent_card_id", maybe), required("source_url", maybe), required("is_published", Schema::boolean()),
         required("published_url", maybe), required("created_at", Schema::string().format("date-time")),
         required("updated_at", Schema::string().format("date-time"))});
}

Schema category_schema() {
    return Schema::string().one_of({"UNASSIMILATED", "PROGRAM", "CATEGORIZED", "GRIT", "TOUGH", "JUNK"});
}

Schema level_schema() {
    return Schema::string().one_of({"PRIVATE", "PERSONAL", "BUSINESS", "IDEAS"});
}

std::vector<Schema::Member> card_members(bool whole) {
    const auto needed = [&](std::string name, Schema schema) {
        return whole ? required(std::move(name), std::move(schema)) : optional(std::move(name), std::move(schema));
    };
    return {needed("title", Schema::string().size(1, 500)),
            needed("body", Schema::string().size(1, 100'000)),
            optional("category", category_schema()),
            optional("privacy_level",
                     level_schema().doc("BUSINESS and IDEAS can be read by the whole tenant and published.")),
            optional("tags", Schema::array(Schema::string().size(1, 64)).size(0, 50)),
            optional("metadata", Schema::object({}).open())};
}

/// What the body says over what the card is.
void take_card(json::Value body, Card& card) {
    const auto take = [&](std::string_view name, std::string& to) {
        if (body.find(name)) to = text_of(body, name);
    };
    take("title", card.title);
    take("body", card.body);
    take("category", card.category);
    take("privacy_level", card.privacy_level);
    card.tags = json_of(body, "tags", card.tags);
    card.metadata = json_of(body, "metadata", card.metadata);
}

Card card_from(json::Value body) {
    Card card;
    card.category = "UNASSIMILATED";
    card.privacy_level = "PRIVATE";
    card.tags = "[]";
    take_card(body, card);
    card.user_id = text_of(body, "user_id");
    card.parent_id = text_of(body, "parent_card_id");
    card.source_url = text_of(body, "source_url");
    return card;
}

std::string card_json(const Card& card) {
    std::string out;
    JsonWriter writer(out);
    write_card(writer, card);
    return out;
}

void answer_add_user(const ContextPtr& context, ContentService& service) {
    const json::Value body = context->body();
    User user;
    user.id = text_of(body, "user_id");
    user.username = text_of(body, "username");
    user.email = text_of(body, "email");
    user.display_name = text_of(body, "display_name");
    user.bio = text_of(body, "bio");
    user.avatar_url = text_of(body, "avatar_url");
    answer_change(context, service, 201, [user](Books& books, const Actor& actor) -> Result<std::string> {
        TG_TRY(const User made, books.add_user(actor, user));
        std::string out;
        JsonWriter writer(out);
        write_user(writer, made, actor);
        return out;
    });
}

void answer_publish(const ContextPtr& context, ContentService& service) {
    const json::Value body = context->body();
    std::vector<Card> fresh;
    std::vector<std::string> known;
    const std::string user = text_of(body, "user_id");
    if (const auto cards = body.find("cards")) {
        cards->each([&](json::Value one) {
            fresh.push_back(card_from(one));
            fresh.back().user_id = user;
        });
    }
    if (const auto ids = body.find("card_ids"))
        ids->each([&](json::Value one) { known.emplace_back(one.as_string()); });
    if (fresh.empty() && known.empty())
        return context->fail({{"cards", "or card_ids must hold one at least", "missing"}});
    if (!fresh.empty() && user.empty()) return context->fail({{"user_id", "is missing", "missing"}});
    answer_change(context, service, 200, [=](Books& books, const Actor& actor) -> Result<std::string> {
        std::vector<Card> published;
        std::size_t filtered = 0;
        Units earned = 0;
        const auto publish = [&](const std::string& id) -> Result<void> {
            TG_TRY(const Card before, books.card(actor, id));
            if (!is_public_level(before.privacy_level)) {
                ++filtered;
                return {};
            }
            TG_TRY(const User holder, books.user(actor, before.user_id));
            TG_TRY(Card after, books.publish(actor, id));
            TG_TRY(const User paid, books.user(actor, before.user_id));
            earned += paid.balance - holder.balance;
            published.push_back(std::move(after));
            return {};
        };
        for (const Card& card : fresh) {
            // A card that would not be published is not kept either: it is nobody's draft here.
            if (!is_public_level(card.privacy_level)) {
                ++filtered;
                continue;
            }
            TG_TRY(const Card made, books.add_card(actor, card));
            TG_CHECK(publish(made.id));
        }
        for (const std::string& id : known) TG_CHECK(publish(id));
        std::string out;
        JsonWriter writer(out);
        writer.begin_object().key("published_urls").begin_array();
        for (const Card& card : published) writer.value(std::string_view(card.published_url));
        writer.end_array().key("card_ids").begin_array();
        for (const Card& card : published) writer.value(std::string_view(card.id));
        writer.end_array().field("extropy_earned", format_amount(earned)).field("cards_published", published.size());
        writer.field("cards_filtered", filtered).end_object();
        return out;
    });
}

pipeline::Route card_route(http::Method method, std::string path, std::string operation, std::string summary,
                           pipeline::Handler handler) {
    pipeline::Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = std::string(kService);
    route.summary = std::move(summary);
    const bool reads = method == http::Method::kGet;
    route.work = reads ? pipeline::Work::kBlocking : pipeline::Work::kCpu;
    route.scopes = {reads ? "content:read" : "content:write"};
    if (!reads && method != http::Method::kDelete) route.body_bytes_max = kCardBytesMax;
    route.handler = std::move(handler);
    return route;
}

std::vector<pipeline::Parameter> one_parameter(std::string name) {
    return {{.name = std::move(name), .schema = Schema::string().size(1, 128), .required = true}};
}

void add_user_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    pipeline::Route add =
        card_route(http::Method::kPost, "/api/users", "create_user", "A user with a balance of its own.",
                   [&service](const ContextPtr& context) { answer_add_user(context, service); });
    add.request = Schema::object({required("username", Schema::string().size(1, 64)),
                                  optional("user_id", Schema::string().size(1, 128).doc("Absent: one is made.")),
                                  optional("email", Schema::string().size(0, 254)),
                                  optional("display_name", Schema::string().size(0, 128)),
                                  optional("bio", Schema::string().size(0, 2000)),
                                  optional("avatar_url", Schema::string().size(0, 2048)), idempotency_member()});
    add.response = user_schema();
    add.answer_status = 201;
    add.example = R"({"username":"ann","display_name":"Ann"})";
    routes.push_back(std::move(add));
    add_page_route(
        routes, "/api/users", "list_users", "The users of the tenant, newest first.", "",
        [&service](const ContextPtr& context) {
            const auto ask = page_ask(context);
            if (!ask) return;
            answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                TG_TRY(const auto page, books.users(actor, context->query("q").value_or(""), ask->before, ask->limit));
                return page_json(page, [&](JsonWriter& writer, const User& user) { write_user(writer, user, actor); });
            });
        },
        user_schema());
    routes.back().query.push_back({.name = "q", .schema = Schema::string().size(1, 128).doc("Part of a name.")});
    pipeline::Route one =
        card_route(http::Method::kGet, "/api/users/{user_id}", "get_user", "One user with its balance.",
                   [&service](const ContextPtr& context) {
                       answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                           TG_TRY(const User found, books.user(actor, context->path_parameter("user_id")));
                           std::string out;
                           JsonWriter writer(out);
                           write_user(writer, found, actor);
                           return out;
                       });
                   });
    one.path_parameters = one_parameter("user_id");
    one.response = user_schema();
    routes.push_back(std::move(one));
}

void add_card_list(std::vector<pipeline::Route>& routes, ContentService& service) {
    add_page_route(
        routes, "/api/cards", "list_cards", "The cards that the caller may see, newest first.", "",
        [&service](const ContextPtr& context) {
            const auto ask = page_ask(context);
            if (!ask) return;
            CardFilter filter{.user_id = context->query("user_id").value_or(""),
                              .category = context->query("category").value_or(""),
                              .privacy_level = context->query("privacy_level").value_or(""),
                              .text = context->query("q").value_or("")};
            if (const auto published = context->query("published")) filter.published = *published == "true";
            answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                TG_TRY(const auto page, books.cards(actor, filter, ask->before, ask->limit));
                return page_json(page, write_card);
            });
        },
        card_schema());
    auto& query = routes.back().query;
    query.push_back({.name = "user_id", .schema = Schema::string().size(1, 128)});
    query.push_back({.name = "category", .schema = category_schema()});
    query.push_back({.name = "privacy_level", .schema = level_schema()});
    query.push_back({.name = "published", .schema = Schema::string().one_of({"true", "false"})});
    query.push_back({.name = "q",
                     .schema = Schema::string().size(1, 200).doc("Part of the title or the body, whatever the case.")});
}

void answer_change_card(const ContextPtr& context, ContentService& service) {
    const std::string id(context->path_parameter("card_id"));
    std::string sent;
    json::append(sent, context->body());
    answer_change(context, service, 200, [id, sent](Books& books, const Actor& actor) -> Result<std::string> {
        TG_TRY(Card card, books.card(actor, id));
        TG_TRY(const json::Document document, json::parse(sent));
        take_card(document.root(), card);
        TG_TRY(const Card after, books.change_card(actor, card));
        return card_json(after);
    });
}

void answer_remove_card(const ContextPtr& context, ContentService& service) {
    const std::string id(context->path_parameter("card_id"));
    answer_change(context, service, 200, [id](Books& books, const Actor& actor) -> Result<std::string> {
        TG_CHECK(books.remove_card(actor, id));
        std::string out;
        JsonWriter(out).begin_object().field("card_id", id).field("removed", true).end_object();
        return out;
    });
}

void add_card_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    pipeline::Route add = card_route(
        http::Method::kPost, "/api/cards", "create_card", "A card of one of the caller's users.",
        [&service](const ContextPtr& context) {
            answer_change(context, service, 201,
                          [card = card_from(context->body())](Books& books, const Actor& actor) -> Result<std::string> {
                              TG_TRY(const Card made, books.add_card(actor, card));
                              return card_json(made);
                          });
        });
    auto members = card_members(true);
    members.push_back(required("user_id", Schema::string().size(1, 128)));
    members.push_back(optional("parent_card_id", Schema::string().size(1, 128)));
    members.push_back(optional("source_url", Schema::string().size(0, 2048)));
    members.push_back(idempotency_member());
    add.request = Schema::object(std::move(members));
    add.response = card_schema();
    add.answer_status = 201;
    add.example =
        R"({"user_id":"ann","title":"On tides","body":"The moon pulls the sea.","category":"PROGRAM","privacy_level":"IDEAS"})";
    routes.push_back(std::move(add));
    add_card_list(routes, service);
    pipeline::Route one = card_route(
        http::Method::kGet, "/api/cards/{card_id}", "get_card", "One card.", [&service](const ContextPtr& context) {
            answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                TG_TRY(const Card found, books.card(actor, context->path_parameter("card_id")));
                return card_json(found);
            });
        });
    one.path_parameters = one_parameter("card_id");
    one.response = card_schema();
    routes.push_back(std::move(one));
    pipeline::Route change =
        card_route(http::Method::kPatch, "/api/cards/{card_id}", "change_card",
                   "Changes what is named; a card that becomes private is published no more.",
                   [&service](const ContextPtr& context) { answer_change_card(context, service); });
    change.path_parameters = one_parameter("card_id");
    change.request = Schema::object(card_members(false));
    change.response = card_schema();
    change.example = R"({"title":"On tides and the moon"})";
    routes.push_back(std::move(change));
    pipeline::Route remove =
        card_route(http::Method::kDelete, "/api/cards/{card_id}", "remove_card",
                   "Removes a card's words; the attributions that name it stay.",
                   [&service](const ContextPtr& context) { answer_remove_card(context, service); });
    remove.path_parameters = one_parameter("card_id");
    remove.response = Schema::object({required("card_id", Schema::string()), required("removed", Schema::boolean())});
    routes.push_back(std::move(remove));
}

}  // namespace

void register_card_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    add_user_routes(routes, service);
    add_card_routes(routes, service);
    pipeline::Route publish =
        card_route(http::Method::kPost, "/publish", "publish_cards",
                   "Publishes cards of BUSINESS and IDEAS and earns 1 token for each that is new.",
                   [&service](const ContextPtr& context) { answer_publish(context, service); });
    publish.request = Schema::object(
        {optional("user_id", Schema::string().size(1, 128).doc("Of `cards`.")),
         optional("cards", Schema::array(Schema::object(card_members(true))).size(0, kPublishMax).doc("New ones.")),
         optional("card_ids", Schema::array(Schema::string().size(1, 128)).size(0, kPublishMax).doc("Known ones.")),
         idempotency_member()});
    publish.response = Schema::object(
        {required("published_urls", Schema::array(Schema::string())),
         required("card_ids", Schema::array(Schema::string())), required("extropy_earned", Schema::string()),
         required("cards_published", Schema::integer()), required("cards_filtered", Schema::integer())});
    publish.example =
        R"({"user_id":"ann","cards":[{"title":"On tides","body":"The moon pulls the sea.","privacy_level":"IDEAS"}]})";
    routes.push_back(std::move(publish));
}

}  // namespace tidegate::content
