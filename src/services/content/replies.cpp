#include "services/content/replies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/ids.h"
#include "base/strings.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::size_t kPageMax = 500;

void add_text(JsonWriter& writer, std::string_view name, const std::string& text) {
    writer.key(name);
    text.empty() ? writer.null() : writer.value(std::string_view(text));
}

/// A double keeps 15 digits of what its sender wrote; more, or a ninth decimal, would be booked otherwise than it was meant.
std::optional<Units> amount_of_number(double value) {
    constexpr std::ptrdiff_t kDigitsKept = 15;
    if (!(value > 0) || value > static_cast<double>(kAmountMax) / static_cast<double>(kToken)) return std::nullopt;
    const std::string text = fmt::format("{:.8f}", value);
    const auto back = parse_double(text);
    if (!back || std::abs(*back - value) > 0) return std::nullopt;
    std::array<char, 32> shortest{};
    const auto end = std::to_chars(shortest.begin(), shortest.end(), value, std::chars_format::scientific).ptr;
    const std::string_view written(shortest.data(), end);
    const auto digits =
        std::ranges::count_if(written.substr(0, written.find('e')), [](char c) { return c >= '0' && c <= '9'; });
    return digits > kDigitsKept ? std::nullopt : parse_amount(text);
}

void add_json(JsonWriter& writer, std::string_view name, const std::string& text, std::string_view otherwise) {
    writer.key(name).raw(text.empty() ? otherwise : std::string_view(text));
}

}  // namespace

void answer_read(const ContextPtr& context, ContentService& service, const BooksRead& read) {
    const Actor actor = actor_of(*context);
    std::string body;
    const auto done = service.ledger().read([&](Books& books) -> Result<void> {
        TG_TRY(body, read(books, actor));
        return {};
    });
    if (!done) return context->fail(done.error());
    context->reply_json(std::move(body));
}

void answer_change(const ContextPtr& context, ContentService& service, int status, BooksChange change) {
    Ledger::Change wanted{.actor = actor_of(*context), .key = {}, .digest = {}, .work = {}, .done = {}};
    std::string_view member = "Idempotency-Key";
    if (const auto header = context->head().headers.get(member)) {
        wanted.key = *header;
    } else if (context->head().method != http::Method::kDelete) {
        const auto sent = context->body().find("idempotency_key");
        member = "idempotency_key";
        if (sent && sent->kind() == json::Kind::kString) wanted.key = sent->as_string();
        if (sent && wanted.key.empty()) wanted.key = " ";  // Not a key: refused below.
    }
    if (!wanted.key.empty() && !is_valid_request_id(wanted.key)) {
        return context->fail({{std::string(member), "must be 1 to 128 visible ASCII characters", "bad_format"}});
    }
    std::string question(context->head().path);
    question.append("\n").append(context->raw_body());
    wanted.digest = sha256(question);
    wanted.work = [change = std::move(change), actor = wanted.actor, status](Books& books) -> Result<LedgerAnswer> {
        TG_TRY(std::string body, change(books, actor));
        return LedgerAnswer{.status = status, .body = std::move(body), .repeated = false};
    };
    wanted.done = [context](Result<LedgerAnswer> answer) {
        if (!answer) return context->fail(answer.error());
        http::Response response;
        response.status = answer->status;
        response.headers.add("Content-Type", "application/json");
        if (answer->repeated) response.headers.add("Idempotent-Replayed", "true");
        response.body = std::move(answer->body);
        context->reply(std::move(response));
    };
    service.ledger().submit(std::move(wanted));
}

std::string text_of(json::Value body, std::string_view name) {
    const auto found = body.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
}

std::string json_of(json::Value body, std::string_view name, std::string_view otherwise) {
    const auto found = body.find(name);
    if (!found || found->kind() == json::Kind::kNull) return std::string(otherwise);
    std::string out;
    json::append(out, *found);
    return out;
}

std::optional<Units> amount_of(json::Value body) {
    const auto found = body.find("amount");
    if (!found) return std::nullopt;
    if (found->kind() == json::Kind::kString) return parse_amount(found->as_string());
    if (found->kind() == json::Kind::kInteger) return parse_amount(std::to_string(found->as_int()));
    return found->is_number() ? amount_of_number(found->as_double()) : std::nullopt;
}

std::optional<PageAsk> page_ask(const ContextPtr& context) {
    PageAsk out;
    if (const auto limit = context->query_int("limit")) out.limit = static_cast<std::size_t>(*limit);
    if (const auto cursor = context->query("cursor")) {
        const auto before = parse_i64(*cursor);
        if (!before || *before <= 0) {
            context->fail({{"cursor", "must be the next_cursor of a page", "bad_format"}});
            return std::nullopt;
        }
        out.before = *before;
    }
    return out;
}

std::vector<pipeline::Parameter> page_parameters() {
    return {{.name = "limit", .schema = Schema::integer().range(1, kPageMax).doc("Of one page; 50 by default.")},
            {.name = "cursor", .schema = Schema::string().size(1, 32).doc("next_cursor of the page before.")}};
}

Schema::Member idempotency_member() {
    return optional("idempotency_key", Schema::string().size(1, 128).doc(
                                           "As the header Idempotency-Key: the same again changes nothing and gets "
                                           "the same answer; another request under it gets 409."));
}

Schema page_schema(Schema item) {
    return Schema::object({required("items", Schema::array(std::move(item))),
                           required("next_cursor", Schema::string().nullable().doc("null: that was all."))});
}

void write_user(JsonWriter& writer, const User& user, const Actor& actor) {
    writer.begin_object().field("user_id", user.id).field("username", user.username);
    add_text(writer, "display_name", user.display_name);
    add_text(writer, "bio", user.bio);
    add_text(writer, "avatar_url", user.avatar_url);
    // An address is for its owner.
    if (actor.admin || actor.name == user.owner) add_text(writer, "email", user.email);
    writer.field("extropy_balance", format_amount(user.balance)).field("created_at", format_rfc3339(user.created_ms));
    writer.end_object();
}

void write_card(JsonWriter& writer, const Card& card) {
    writer.begin_object().field("card_id", card.id).field("user_id", card.user_id).field("title", card.title);
    writer.field("body", card.body).field("category", card.category).field("privacy_level", card.privacy_level);
    add_json(writer, "tags", card.tags, "[]");
    add_json(writer, "metadata", card.metadata, "null");
    add_text(writer, "parent_card_id", card.parent_id);
    add_text(writer, "source_url", card.source_url);
    writer.field("is_published", card.published);
    add_text(writer, "published_url", card.published_url);
    writer.field("created_at", format_rfc3339(card.created_ms)).field("updated_at", format_rfc3339(card.updated_ms));
    writer.end_object();
}

void write_attribution(JsonWriter& writer, const Attribution& one) {
    writer.begin_object().field("attribution_id", one.id);
    add_text(writer, "source_card_id", one.source_card_id);
    add_text(writer, "target_card_id", one.target_card_id);
    writer.field("attribution_type", one.type);
    add_text(writer, "user_id", one.user_id);
    add_text(writer, "author_id", one.author_id);
    add_text(writer, "context", one.context);
    add_text(writer, "excerpt", one.excerpt);
    add_json(writer, "metadata", one.metadata, "null");
    writer.field("extropy_transferred", format_amount(one.amount));
    add_text(writer, "transaction_id", one.transfer_id);
    writer.field("created_at", format_rfc3339(one.created_ms)).end_object();
}

void write_transfer(JsonWriter& writer, const Transfer& one) {
    writer.begin_object().field("transaction_id", one.id);
    add_text(writer, "from_user_id", one.from_user_id);
    add_text(writer, "to_user_id", one.to_user_id);
    writer.field("amount", format_amount(one.amount)).field("transaction_type", one.kind);
    add_text(writer, "reason", one.reason);
    add_text(writer, "card_id", one.card_id);
    add_text(writer, "attribution_id", one.attribution_id);
    add_json(writer, "metadata", one.metadata, "null");
    writer.key("from_balance");
    one.from_user_id.empty() ? writer.null() : writer.value(std::string_view(format_amount(one.from_balance)));
    writer.field("to_balance", format_amount(one.to_balance)).field("created_at", format_rfc3339(one.created_ms));
    writer.end_object();
}

Schema attribution_schema() {
    return Schema::object(
        {required("attribution_id", Schema::string()),
         required("source_card_id", Schema::string().nullable().doc("null: a card that the caller may not see.")),
         required("target_card_id", Schema::string().nullable().doc("null: a card that the caller may not see.")),
         required("attribution_type", Schema::string()), required("user_id", Schema::string().nullable()),
         required("author_id", Schema::string().nullable()), required("context", Schema::string().nullable()),
         required("excerpt", Schema::string().nullable()), required("metadata", Schema::object({}).open().nullable()),
         required("extropy_transferred", Schema::string()), required("transaction_id", Schema::string().nullable()),
         required("created_at", Schema::string().format("date-time"))});
}

void add_page_route(std::vector<pipeline::Route>& routes, std::string path, std::string operation, std::string summary,
                    std::string parameter, pipeline::Handler handler, Schema item) {
    pipeline::Route route;
    route.method = http::Method::kGet;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = std::string(kService);
    route.summary = std::move(summary);
    route.work = pipeline::Work::kBlocking;
    route.query = page_parameters();
    if (!parameter.empty()) {
        route.path_parameters = {
            {.name = std::move(parameter), .schema = Schema::string().size(1, 128), .required = true}};
    }
    route.response = page_schema(std::move(item));
    route.scopes = {"content:read"};
    route.handler = std::move(handler);
    routes.push_back(std::move(route));
}

}  // namespace tidegate::content
