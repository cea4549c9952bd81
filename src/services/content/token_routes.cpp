// /tokens: award, transfer, balance, ledger, stats; under /api/tokens, too.
#include "services/content/replies.h"

namespace tidegate::content {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kTokenBytesMax = 16 * 1024;

Schema transfer_schema() {
    const Schema name = Schema::string().nullable();
    return Schema::object({required("transaction_id", Schema::string().format("uuid")), required("from_user_id", name),
                           required("to_user_id", name), required("amount", Schema::string()),
                           required("transaction_type", Schema::string()), required("reason", name),
                           required("card_id", name), required("attribution_id", name),
                           required("metadata", Schema::object({}).open().nullable()), required("from_balance", name),
                           required("to_balance", Schema::string()),
                           required("created_at", Schema::string().format("date-time"))});
}

Schema amount_schema() {
    return Schema::any().doc("Tokens, as text (`\"0.1\"`) or number: above 0, at most 8 decimals, up to a billion.");
}

Schema id_schema() {
    return Schema::string().size(1, 128);
}

void answer_move(const ContextPtr& context, ContentService& service, bool award) {
    const json::Value body = context->body();
    const auto amount = amount_of(body);
    if (!amount) {
        return context->fail({{"amount",
                               "must be a decimal above 0 with at most 8 places, up to a billion; one of over 15 "
                               "digits: send it as text",
                               "bad_format"}});
    }
    Transfer note;
    note.kind = award ? "reward" : "transfer";
    note.reason = text_of(body, "reason");
    note.card_id = text_of(body, "card_id");
    note.attribution_id = text_of(body, "attribution_id");
    note.metadata = json_of(body, "metadata", "");
    const std::string from = text_of(body, "from_user_id"), to = text_of(body, award ? "user_id" : "to_user_id");
    answer_change(context, service, 200, [=, units = *amount](Books& books, const Actor& actor) -> Result<std::string> {
        TG_TRY(const Transfer done,
               award ? books.award(actor, to, units, note) : books.transfer(actor, from, to, units, note));
        std::string out;
        JsonWriter writer(out);
        write_transfer(writer, done);
        return out;
    });
}

std::string balance_json(const User& user) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("user_id", user.id).field("username", user.username);
    writer.field("balance", format_amount(user.balance)).end_object();
    return out;
}

std::string stats_json(const std::string& user, const TokenStats& stats) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("user_id", user).field("current_balance", format_amount(stats.balance));
    writer.field("total_earned", format_sum(stats.earned)).field("total_spent", format_sum(stats.spent));
    writer.field("total_minted", format_sum(stats.minted)).field("transaction_count", stats.transfers).end_object();
    return out;
}

pipeline::Route token_route(http::Method method, std::string path, std::string operation, std::string summary) {
    pipeline::Route route;
    route.method = method;
    route.path = std::move(path);
    route.operation = std::move(operation);
    route.family = std::string(kService);
    route.summary = std::move(summary);
    return route;
}

void add_moves(std::vector<pipeline::Route>& routes, ContentService& service, const std::string& root,
               const std::string& alias) {
    pipeline::Route award = token_route(http::Method::kPost, root + "/award", "award_tokens" + alias,
                                        "Makes tokens for a user, out of the supply. Needs a scope of its own.");
    award.work = pipeline::Work::kCpu;
    award.request = Schema::object({required("user_id", id_schema()), required("amount", amount_schema()),
                                    optional("reason", Schema::string().size(0, 500)), optional("card_id", id_schema()),
                                    optional("metadata", Schema::object({}).open()), idempotency_member()});
    award.response = transfer_schema();
    award.scopes = {"tokens:award"};
    award.body_bytes_max = kTokenBytesMax;
    award.example = R"({"user_id":"ann","amount":"5","reason":"welcome"})";
    award.handler = [&service](const ContextPtr& context) { answer_move(context, service, true); };
    routes.push_back(std::move(award));
    pipeline::Route transfer = token_route(http::Method::kPost, root + "/transfer", "transfer_tokens" + alias,
                                           "Moves tokens from a user of the caller's to another; never below zero.");
    transfer.work = pipeline::Work::kCpu;
    transfer.request =
        Schema::object({required("from_user_id", id_schema()), required("to_user_id", id_schema()),
                        required("amount", amount_schema()), optional("reason", Schema::string().size(0, 500)),
                        optional("attribution_id", id_schema()), idempotency_member()});
    transfer.response = transfer_schema();
    transfer.scopes = {"content:write"};
    transfer.body_bytes_max = kTokenBytesMax;
    transfer.example = R"({"from_user_id":"ann","to_user_id":"bob","amount":"0.5","reason":"thanks"})";
    transfer.handler = [&service](const ContextPtr& context) { answer_move(context, service, false); };
    routes.push_back(std::move(transfer));
}

void add_reads(std::vector<pipeline::Route>& routes, ContentService& service, const std::string& root,
               const std::string& alias) {
    const std::vector<pipeline::Parameter> user{{.name = "user_id", .schema = id_schema(), .required = true}};
    pipeline::Route balance =
        token_route(http::Method::kGet, root + "/balance/{user_id}", "token_balance" + alias, "What a user has now.");
    balance.work = pipeline::Work::kBlocking;
    balance.path_parameters = user;
    balance.response = Schema::object({required("user_id", Schema::string()), required("username", Schema::string()),
                                       required("balance", Schema::string())});
    balance.scopes = {"content:read"};
    balance.handler = [&service](const ContextPtr& context) {
        answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
            TG_TRY(const User of, books.user(actor, context->path_parameter("user_id")));
            return balance_json(of);
        });
    };
    routes.push_back(std::move(balance));
    pipeline::Route stats = token_route(http::Method::kGet, root + "/stats/{user_id}", "token_stats" + alias,
                                        "Sums over all of a user's transfers.");
    stats.work = pipeline::Work::kBlocking;
    stats.path_parameters = user;
    const Schema sum = Schema::string();
    stats.response = Schema::object({required("user_id", sum), required("current_balance", sum),
                                     required("total_earned", sum), required("total_spent", sum),
                                     required("total_minted", sum), required("transaction_count", Schema::integer())});
    stats.scopes = {"content:read"};
    stats.handler = [&service](const ContextPtr& context) {
        answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
            const std::string id(context->path_parameter("user_id"));
            TG_TRY(const TokenStats found, books.stats(actor, id));
            return stats_json(id, found);
        });
    };
    routes.push_back(std::move(stats));
    add_page_route(
        routes, root + "/ledger/{user_id}", "token_ledger" + alias, "The transfers of a user, newest first.", "user_id",
        [&service](const ContextPtr& context) {
            const auto ask = page_ask(context);
            if (!ask) return;
            answer_read(context, service, [&](Books& books, const Actor& actor) -> Result<std::string> {
                TG_TRY(const auto page,
                       books.transfers(actor, context->path_parameter("user_id"), ask->before, ask->limit));
                return page_json(page, write_transfer);
            });
        },
        transfer_schema());
}

}  // namespace

void register_token_routes(std::vector<pipeline::Route>& routes, ContentService& service) {
    for (const bool alias : {false, true}) {
        const std::string root = alias ? "/api/tokens" : "/tokens", suffix = alias ? "_api" : "";
        add_moves(routes, service, root, suffix);
        add_reads(routes, service, root, suffix);
    }
}

}  // namespace tidegate::content
