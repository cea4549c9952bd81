// The routes through the pipeline, without a socket: answers, errors, decisions; tokens under an idempotency key; every bad input's outcome.
#include <gtest/gtest.h>

#include "base/json.h"
#include "pipeline/dispatcher.h"
#include "services/content/both_stores.h"
#include "services/content/content.h"
#include "store/temporary_folder.h"
#include "support/fake_exchange.h"

namespace tidegate::content {
namespace {

/// With content.store "sqlite" and "postgres". Where PostgreSQL is not installed its half is skipped in clear words.
class ContentRoutes : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        settings_.store = GetParam();
        if (settings_.store == "postgres") {
            NEED_POSTGRES();
            ASSERT_NE(shared_postgres(), nullptr);
            const PostgresPlace place = fresh_place();
            database_ = {.url = place.url, .schema = place.schema};
        }
        settings_.items_max = 20;
        settings_.dimensions = 2;
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        auto opened = ContentService::open({.settings = settings_,
                                            .clock = clock_,
                                            .random = random_,
                                            .disk = disk_,
                                            .data_dir = folder_.file("data"),
                                            .database = database_,
                                            .trains_itself = false,
                                            .blocking = blocking_});
        ASSERT_TRUE(opened) << opened.error().message;
        service_ = *std::move(opened);
        std::vector<pipeline::Route> routes;
        service_->register_routes(routes);
        const pipeline::Parts parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_};
        dispatcher_ = std::make_unique<pipeline::Dispatcher>(parts, pipeline::PipelineSettings{}, std::move(routes));
    }
    void TearDown() override {
        cpu_.stop();
        blocking_.stop();
        if (service_) service_->stop();
    }
    std::shared_ptr<testing::FakeExchange> send(http::Method method, std::string path, std::string body = "",
                                                std::string type = "", std::string key = "") {
        http::RequestHead head;
        head.method = method;
        const std::size_t query = path.find('?');
        if (query != std::string::npos) {
            head.query = path.substr(query + 1);
            path.resize(query);
        }
        head.path = std::move(path);
        if (!body.empty()) head.content_length = body.size();
        if (!type.empty()) head.headers.add("Content-Type", type);
        if (!key.empty()) head.headers.add("Idempotency-Key", key);
        auto exchange = std::make_shared<testing::FakeExchange>(std::move(head), std::move(body));
        dispatcher_->on_head(exchange);
        if (!exchange->responded) dispatcher_->on_request(exchange);
        exchange->wait();
        return exchange;
    }
    json::Document ok(http::Method method, std::string path, std::string body = "", int status = 200) {
        const auto exchange = send(method, path, std::move(body));
        EXPECT_EQ(exchange->answer().status, status) << path << ": " << exchange->answer().body;
        auto document = json::parse(exchange->answer().body);
        EXPECT_TRUE(document) << exchange->answer().body;
        return document ? *std::move(document) : json::parse("{}").value();
    }
    json::Document post(std::string path, std::string body, int status = 200) {
        return ok(http::Method::kPost, std::move(path), std::move(body), status);
    }
    json::Document get(std::string path, int status = 200) {
        return ok(http::Method::kGet, std::move(path), "", status);
    }
    void add_texts() {
        const auto done = send(
            http::Method::kPost, "/api/contents",
            "{\"_id\":\"tides\",\"title\":\"Tides\",\"text\":\"Öfter als man denkt: The moon pulls the sea. It comes "
            "twice a day.\",\"platform\":\"web\",\"metadata\":{\"likes\":3}}\n\n"
            "{\"content_id\":\"gates\",\"title\":\"Tide gates\",\"body\":\"A tide gate keeps the sea out. It opens at "
            "ebb.\",\"author\":\"ann\",\"url\":\"https://example.org/g\"}\n",
            "application/x-ndjson");
        ASSERT_EQ(done->answer().status, 200) << done->answer().body;
    }
    void add_people() {
        post("/api/users", R"({"user_id":"ann","username":"Ann","email":"ann@example.org"})", 201);
        post("/api/users", R"({"user_id":"bob","username":"Bob"})", 201);
        post("/tokens/award", R"({"user_id":"ann","amount":"5","reason":"welcome"})");
    }

    SystemClock clock_;
    SeededRandom random_{7};
    SystemDisk disk_;
    store::TemporaryFolder folder_;
    ContentSettings settings_;
    service::DatabasePlace database_;
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    testing::FakeLog log_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<service::Service> service_;
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
};

TEST_P(ContentRoutes, OneTenantTakesAtMostHalfOfThePlacesForImports) {
    auto& content = dynamic_cast<ContentService&>(*service_);
    std::vector<std::shared_ptr<void>> held;
    for (int i = 0; i < 2; ++i) held.push_back(content.take_import_place("a").value());
    const auto third = content.take_import_place("a");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::kResourceExhausted);
    // Callers of no tenant are many: all that is left is theirs.
    held.push_back(content.take_import_place("").value());
    held.push_back(content.take_import_place("").value());
    EXPECT_EQ(content.take_import_place("b").error().code, ErrorCode::kUnavailable);
    held.erase(held.begin());
    held.push_back(content.take_import_place("b").value());
    EXPECT_FALSE(content.take_import_place("a"));
    held.clear();
    EXPECT_TRUE(content.take_import_place("a"));
    settings_.imports_max = 1;
    EXPECT_TRUE(content.take_import_place("a")) << "of one place half is one";
}

std::string text(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : "(none)";
}

std::int64_t number(json::Value value, std::string_view name) {
    const auto found = value.find(name);
    return found && found->is_integer() ? found->as_int() : -1;
}

json::Value first(json::Value value, std::string_view name) {
    std::optional<json::Value> out;
    value.find(name)->each([&](json::Value one) {
        if (!out) out = one;
    });
    return out.value();
}

TEST_P(ContentRoutes, WhatWasImportedIsAnsweredFromWithItsPlaceAndRecorded) {
    add_texts();
    const auto answer = post("/query/rag", R"({"prompt":"What pulls the sea?"})");
    const json::Value root = answer.root();
    ASSERT_EQ(root.find("answer")->kind(), json::Kind::kObject);
    const json::Value citation = first(*root.find("answer"), "citations");
    EXPECT_EQ(text(citation, "content_id"), "tides");
    EXPECT_NE(text(citation, "text").find("The moon pulls the sea."), std::string::npos);
    EXPECT_EQ(number(citation, "start"), 0);
    EXPECT_EQ(number(citation, "end"), 44);  // Characters, not bytes: the text begins with Ö.
    EXPECT_EQ(text(root, "mode"), "lexical");
    const json::Value hit = first(root, "results");
    EXPECT_EQ(hit.find("distance")->kind(), json::Kind::kNull);
    EXPECT_EQ(text(*hit.find("metadata"), "platform"), "web");
    ASSERT_EQ(log_.kept.size(), 1U);
    EXPECT_EQ(log_.kept[0].service, "content");
    EXPECT_EQ(log_.kept[0].operation, "query/rag");
    EXPECT_EQ(log_.kept[0].band, "answered");
    EXPECT_EQ(to_string(log_.kept[0].id), text(root, "decision_id"));
}

TEST_P(ContentRoutes, WhatIsNotInTheSourcesIsSaidAndNotAnswered) {
    add_texts();
    const auto answer =
        post("/query/rag", R"({"query":"Which enzyme repairs broken strands of the sea urchin genome?"})");
    EXPECT_EQ(answer.root().find("answer")->kind(), json::Kind::kNull);
    EXPECT_NE(text(answer.root(), "reason").find("Not in the sources"), std::string::npos);
    EXPECT_EQ(log_.kept.at(0).band, "not_in_sources");
    const auto nothing = post("/query/rag", R"({"prompt":"zebra"})");
    EXPECT_EQ(number(nothing.root(), "count"), 0);
    EXPECT_EQ(nothing.root().find("answer")->kind(), json::Kind::kNull);
}

TEST_P(ContentRoutes, SearchFiltersAndGivesNoAnswer) {
    add_texts();
    const auto all = get("/query/search?q=sea");
    EXPECT_EQ(number(all.root(), "count"), 2);
    EXPECT_FALSE(all.root().find("answer"));
    EXPECT_EQ(number(get("/query/search?q=sea&platform_filter=web").root(), "count"), 1);
    EXPECT_EQ(text(first(get("/query/search?q=sea&author_filter=ann").root(), "results"), "content_id"), "gates");
    EXPECT_EQ(number(get("/query/search?q=sea&n_results=1").root(), "count"), 1);
    EXPECT_FALSE(post("/query/rag", R"({"prompt":"sea","generate":false})").root().find("answer"));
}

TEST_P(ContentRoutes, AContentIsReadChangedAndTakenOut) {
    add_texts();
    EXPECT_EQ(number(get("/api/contents?limit=1").root(), "total"), 2);
    EXPECT_EQ(text(get("/api/contents/gates").root(), "source_url"), "https://example.org/g");
    const auto again = post("/api/contents", R"({"content_id":"gates","title":"Gates","body":"Locks."})");
    EXPECT_EQ(number(again.root(), "updated"), 1);
    EXPECT_EQ(number(get("/query/search?q=sea").root(), "count"), 1);
    ok(http::Method::kDelete, "/api/contents/gates");
    EXPECT_EQ(send(http::Method::kGet, "/api/contents/gates")->answer().status, 404);
    EXPECT_EQ(send(http::Method::kDelete, "/api/contents/gates")->answer().status, 404);
}

TEST_P(ContentRoutes, BadLinesAreNamedAndTheOthersStored) {
    const auto done =
        send(http::Method::kPost, "/api/contents",
             "{\"body\":\"Good.\"}\nnot json\n[1]\n{\"body\":7}\n{\"title\":\"\"}\n{\"body\":\"a\",\"text\":\"b\"}\n"
             "{\"body\":\"x\",\"metadata\":[]}\n{\"body\":\"x\",\"published_at\":\"yesterday\"}",
             "application/x-ndjson");
    ASSERT_EQ(done->answer().status, 200);
    const auto report = json::parse(done->answer().body).value();
    EXPECT_EQ(number(report.root(), "received"), 8);
    EXPECT_EQ(number(report.root(), "stored"), 1);
    EXPECT_EQ(number(report.root(), "failed"), 7);
    EXPECT_EQ(number(first(report.root(), "errors"), "line"), 2);
}

TEST_P(ContentRoutes, EveryBadQuestionHasItsOutcome) {
    const std::vector<std::tuple<http::Method, std::string, std::string, int>> cases{
        {http::Method::kPost, "/api/contents", "{", 400},
        {http::Method::kPost, "/api/contents", "[]", 422},
        {http::Method::kPost, "/api/contents", "{\"body\":\" ... \"}", 422},
        {http::Method::kPost, "/api/contents", "{\"contents\":[" + std::string(40, ' ') + "]}", 422},
        {http::Method::kPost, "/query/rag", "{}", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":"a","query":"b"})", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":""})", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":"a","n_results":0})", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":"a","n_results":101})", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":"a","mode":"magic"})", 422},
        {http::Method::kPost, "/query/rag", R"({"prompt":"a","generate":"yes"})", 422},
        {http::Method::kGet, "/query/search", "", 422},
        {http::Method::kGet, "/query/search?q=a&n_results=x", "", 422},
        {http::Method::kGet, "/api/contents?cursor=abc", "", 422},
        {http::Method::kGet, "/api/contents?limit=501", "", 422},
        {http::Method::kPost, "/api/users", R"({"username":""})", 422},
        {http::Method::kPost, "/api/users", R"({"username":"ANN"})", 409},
        {http::Method::kPost, "/api/users", R"({"username":"other","user_id":"ann"})", 409},
        {http::Method::kPost, "/api/cards", R"({"user_id":"nobody","title":"t","body":"b"})", 404},
        {http::Method::kPost, "/api/cards", R"({"user_id":"ann","title":"t","body":"b","category":"NEW"})", 422},
        {http::Method::kPost, "/api/cards", R"({"user_id":"ann","title":"t","body":"b","parent_card_id":"none"})", 404},
        {http::Method::kPost, "/publish", R"({"user_id":"ann"})", 422},
        {http::Method::kPost, "/publish", R"({"cards":[{"title":"t","body":"b","privacy_level":"IDEAS"}]})", 422},
        {http::Method::kPost, "/publish", R"({"card_ids":["none"]})", 404},
        {http::Method::kPost, "/attributions", R"({"source_card_id":"a","target_card_id":"b"})", 422},
        {http::Method::kPost, "/attributions", R"({"source_card_id":"a","target_card_id":"b","type":"reply"})", 404},
        {http::Method::kGet, "/attributions/none", "", 404},
        {http::Method::kGet, "/attributions/none/graph?depth=4", "", 422},
        {http::Method::kPost, "/tokens/award", R"({"user_id":"ann","amount":"-1"})", 422},
        {http::Method::kPost, "/tokens/award", R"({"user_id":"ann","amount":true})", 422},
        {http::Method::kPost, "/tokens/award", R"({"user_id":"ann","amount":0.000000001})", 422},
        {http::Method::kPost, "/tokens/award", R"({"user_id":"nobody","amount":"1"})", 404},
        {http::Method::kPost, "/tokens/transfer", R"({"from_user_id":"ann","to_user_id":"ann","amount":"1"})", 422},
        {http::Method::kPost, "/tokens/transfer", R"({"from_user_id":"ann","to_user_id":"bob","amount":"5.00000001"})",
         422},
        {http::Method::kPost, "/tokens/transfer",
         R"({"from_user_id":"ann","to_user_id":"bob","amount":"1","idempotency_key":""})", 422},
        {http::Method::kGet, "/tokens/balance/nobody", "", 404},
        {http::Method::kGet, "/tokens/ledger/ann?cursor=-1", "", 422}};
    add_people();
    for (const auto& [method, path, body, status] : cases) {
        const auto answer = send(method, path, body, body.empty() ? "" : "application/json");
        EXPECT_EQ(answer->answer().status, status) << path << ' ' << body << ": " << answer->answer().body;
    }
    EXPECT_EQ(text(get("/tokens/balance/ann").root(), "balance"), "5.00000000");
}

TEST_P(ContentRoutes, OfMoreThanTheSettingsAllowTheLinesBeforeAreStoredAndAnArrayIsRefusedWhole) {
    std::string lines, list;
    for (int i = 0; i < 21; ++i) {
        const std::string one = "{\"content_id\":\"" + std::to_string(i) + "\",\"body\":\"text\"}";
        lines += one + "\n";
        list += (i == 0 ? "[" : ",") + one;
    }
    EXPECT_EQ(send(http::Method::kPost, "/api/contents", list + "]")->answer().status, 413);
    EXPECT_EQ(number(get("/api/contents").root(), "total"), 0);
    lines.pop_back();  // A last line without its end is one.
    const auto many = send(http::Method::kPost, "/api/contents", lines, "application/x-ndjson");
    EXPECT_EQ(many->answer().status, 413);
    EXPECT_NE(many->answer().body.find("Of it 20 were stored, 0 updated and 0 unchanged, up to line 20;"),
              std::string::npos)
        << many->answer().body;
    EXPECT_EQ(number(get("/api/contents").root(), "total"), 20);
    // Empty lines are none.
    const auto few = send(http::Method::kPost, "/api/contents", std::string(30, '\n') + "{\"body\":\"other\"}\n \n",
                          "application/x-ndjson");
    EXPECT_EQ(few->answer().status, 200) << few->answer().body;
}

TEST_P(ContentRoutes, TokensMoveOnceUnderAKeyAndTheBalanceIsNeverStale) {
    add_people();
    const std::string move = R"({"from_user_id":"ann","to_user_id":"bob","amount":0.5})";
    const auto once = send(http::Method::kPost, "/tokens/transfer", move, "application/json", "k-1");
    ASSERT_EQ(once->answer().status, 200) << once->answer().body;
    const auto again = send(http::Method::kPost, "/tokens/transfer", move, "application/json", "k-1");
    EXPECT_EQ(again->answer().body, once->answer().body);
    EXPECT_EQ(again->answer().headers.get("Idempotent-Replayed").value_or(""), "true");
    const std::string other = R"({"from_user_id":"ann","to_user_id":"bob","amount":1})";
    EXPECT_EQ(send(http::Method::kPost, "/tokens/transfer", other, "application/json", "k-1")->answer().status, 409);
    EXPECT_EQ(text(get("/api/tokens/balance/bob").root(), "balance"), "0.50000000");
    EXPECT_EQ(text(get("/tokens/stats/ann").root(), "total_spent"), "0.50000000");
    EXPECT_EQ(text(first(get("/tokens/ledger/bob").root(), "items"), "from_user_id"), "ann");
}

TEST_P(ContentRoutes, AnAmountIsBookedAsItWasSentOrRefused) {
    add_people();
    const std::vector<std::pair<std::string, std::string>> taken{{"100000", "100000.00000000"},
                                                                 {"0.00000001", "0.00000001"},
                                                                 {"1e5", "100000.00000000"},
                                                                 {"0.1", "0.10000000"},
                                                                 {"1000000000", "1000000000.00000000"},
                                                                 {"\"999999999.12345678\"", "999999999.12345678"}};
    for (const auto& [sent, booked] : taken) {
        const auto made = post("/tokens/award", R"({"user_id":"ann","amount":)" + sent + "}");
        EXPECT_EQ(text(made.root(), "amount"), booked) << sent;
    }
    for (const std::string_view sent : {"999999999.12345678", "1.123456789", "1e10", "-1", "0", "1e300", "1e-300"}) {
        const std::string body = R"({"user_id":"ann","amount":)" + std::string(sent) + "}";
        const auto answer = send(http::Method::kPost, "/tokens/award", body, "application/json");
        EXPECT_EQ(answer->answer().status, 422) << sent;
    }
}

TEST_P(ContentRoutes, WhatATransferIsGivenAlongIsGivenBack) {
    add_people();
    post("/tokens/award", R"({"user_id":"ann","amount":"1","metadata":{"why":"x"}})");
    const auto ledger = get("/tokens/ledger/ann");
    EXPECT_EQ(text(*first(ledger.root(), "items").find("metadata"), "why"), "x");
}

TEST_P(ContentRoutes, CardsArePublishedCitedAndDrawn) {
    add_people();
    const auto made = post(
        "/publish",
        R"({"user_id":"bob","cards":[{"title":"On tides","body":"b","privacy_level":"IDEAS"},{"title":"Mine","body":"b"}]})");
    EXPECT_EQ(number(made.root(), "cards_published"), 1);
    EXPECT_EQ(number(made.root(), "cards_filtered"), 1);
    EXPECT_EQ(text(made.root(), "extropy_earned"), "1.00000000");
    const std::string source(first(made.root(), "card_ids").as_string());
    const auto card = post(
        "/api/cards", R"({"user_id":"ann","title":"More","body":"b","privacy_level":"IDEAS","tags":["sea"]})", 201);
    const std::string target = text(card.root(), "card_id");
    const auto cited = post("/api/attributions",
                            R"({"source_card_id":")" + source + R"(","target_card_id":")" + target +
                                R"(","attribution_type":"remix","excerpt":"b"})",
                            201);
    EXPECT_EQ(text(cited.root(), "extropy_transferred"), "0.50000000");
    EXPECT_EQ(text(get("/tokens/balance/bob").root(), "balance"), "1.50000000");
    EXPECT_EQ(text(first(get("/attributions/" + source).root(), "items"), "target_card_id"), target);
    EXPECT_EQ(text(first(get("/attributions/users/bob/received").root(), "items"), "user_id"), "ann");
    EXPECT_EQ(get("/attributions/" + target + "/graph?depth=1").root().find("nodes")->size(), 2U);
    EXPECT_EQ(text(get("/attributions/detail/" + text(cited.root(), "attribution_id")).root(), "excerpt"), "b");
    EXPECT_EQ(text(ok(http::Method::kPatch, "/api/cards/" + target, R"({"title":"Most"})").root(), "title"), "Most");
    EXPECT_EQ(get("/api/cards?q=most&category=UNASSIMILATED").root().find("items")->size(), 1U);
    EXPECT_EQ(get("/api/cards?published=true").root().find("items")->size(), 1U);
    ok(http::Method::kDelete, "/api/cards/" + target);
    EXPECT_EQ(send(http::Method::kGet, "/api/cards/" + target)->answer().status, 404);
    EXPECT_EQ(get("/api/users?q=an").root().find("items")->size(), 1U);
    EXPECT_EQ(text(get("/api/users/ann").root(), "email"), "ann@example.org");
}

INSTANTIATE_TEST_SUITE_P(Homes, ContentRoutes, ::testing::Values("sqlite", "postgres"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace tidegate::content
