// The routes under /api/keys, through the whole way of a request: administrators only, the secret shown once and nowhere else.
#include "app/key_routes.h"

#include <gmock/gmock.h>

#include "pipeline/dispatcher.h"
#include "pipeline_identity/fixture.h"
#include "support/fake_exchange.h"

namespace tidegate::app {
namespace {

using pipeline::NewKey;
using testing::FakeExchange;
using testing::FakeLog;

class KeyRoutesTest : public pipeline::testing::IdentityFixture {
  protected:
    void SetUp() override {
        open();
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock)).value();
        loop_ = std::move(runtime::EventLoop::create(clock)).value();
        std::vector<pipeline::Route> routes;
        register_key_routes(routes, {.keys = identity->keys(), .clock = clock});
        pipeline::Gate gate;
        gate.make_loop = [this](runtime::EventLoop& loop, unsigned index) {
            auto parts = std::make_unique<pipeline::LoopParts>(loop, index);
            parts->authenticator.emplace(*identity);
            return parts;
        };
        gate.counts = &counts_;
        dispatcher_ = std::make_unique<pipeline::Dispatcher>(
            pipeline::Parts{clock, random, metrics_, *logger_, log_, cpu_, blocking_}, pipeline::PipelineSettings{},
            std::move(routes), std::move(gate));
        dispatcher_->prepare_loops(1);
        dispatcher_->on_loop_start(*loop_, 0);
        admin_ = make_key({.name = "admin", .scopes = {"admin"}}).text;
    }
    // A worker may still hold the last exchange: it must be gone before the dispatcher that it reports to.
    void TearDown() override {
        cpu_.stop();
        blocking_.stop();
        dispatcher_->on_loop_stop(0);
    }

    http::Response ask(http::Method method, std::string path, const std::string& key, std::string body = {}) {
        http::RequestHead head;
        head.method = method;
        const std::size_t question = path.find('?');
        head.path = path.substr(0, question);
        if (question != std::string::npos) head.query = path.substr(question + 1);
        head.target = path;
        head.peer_address = "127.0.0.1";
        if (!key.empty()) head.headers.add("X-API-Key", key);
        if (!body.empty()) {
            head.content_length = body.size();
            head.headers.add("Content-Type", "application/json");
        }
        const auto exchange = std::make_shared<FakeExchange>(std::move(head), std::move(body));
        exchange->use_loop(*loop_);
        dispatcher_->on_head(exchange);
        if (!exchange->answered()) dispatcher_->on_request(exchange);
        exchange->wait();
        return exchange->answer();
    }
    http::Response create(const std::string& body) { return ask(http::Method::kPost, "/api/keys", admin_, body); }
    static std::string member(const http::Response& response, std::string_view name) {
        const auto document = json::parse(response.body);
        EXPECT_TRUE(document) << response.body;
        const auto found = document->root().find(name);
        return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : "";
    }
    int status_with(const std::string& key) { return ask(http::Method::kGet, "/api/keys", key).status; }

    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    std::unique_ptr<runtime::EventLoop> loop_;
    FakeLog log_;
    pipeline::GuardCounts counts_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
    std::string admin_;
};

TEST_F(KeyRoutesTest, OnlyAnAdministratorGetsIn) {
    const std::string plain = make_key({.name = "plain", .scopes = {"*", "keys"}}).text;
    const std::string id = make_key().record.public_id;
    for (const auto& [method, path] :
         std::vector<std::pair<http::Method, std::string>>{{http::Method::kGet, "/api/keys"},
                                                           {http::Method::kPost, "/api/keys"},
                                                           {http::Method::kPost, "/api/keys/" + id + "/revoke"},
                                                           {http::Method::kPost, "/api/keys/" + id + "/rotate"},
                                                           {http::Method::kDelete, "/api/keys/" + id}}) {
        const std::string body = path == "/api/keys" && method == http::Method::kPost ? R"({"name":"k"})" : "";
        EXPECT_EQ(ask(method, path, plain, body).status, 403) << path;
        EXPECT_EQ(ask(method, path, "", body).status, 401) << path << ": also where nobody else needs a key";
        EXPECT_EQ(ask(method, path, "tg_nonsense", body).status, 401) << path;
    }
    EXPECT_EQ(status_with(admin_), 200);
    EXPECT_EQ(identity->keys().status().known, 3U);
}

TEST_F(KeyRoutesTest, AKeyIsShownOnceAndWorks) {
    const http::Response made = create(
        R"({"name":"app","tenant":"north","scopes":["flood","admin"],"rate":"600/1m","daily_cap":0.1,"expires_at":"2030-01-01T00:00:00Z"})");
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_EQ(made.headers.get("Cache-Control"), "no-store");
    const std::string key = member(made, "key");
    EXPECT_EQ(member(made, "rate"), "600/1m");
    EXPECT_NE(made.body.find(R"("daily_cap":0.1)"), std::string::npos) << made.body;
    EXPECT_EQ(member(made, "expires_at"), "2030-01-01T00:00:00.000Z");
    EXPECT_EQ(status_with(key), 200) << "the key is an administrator's and works at once";
    const http::Response list = ask(http::Method::kGet, "/api/keys", admin_);
    EXPECT_NE(list.body.find(member(made, "id")), std::string::npos);
    EXPECT_EQ(list.body.find(key.substr(16)), std::string::npos);
    EXPECT_EQ(list.body.find("secret"), std::string::npos);
    EXPECT_TRUE(log_.kept.empty());
}

TEST_F(KeyRoutesTest, AnUnfitKeyIsRefusedWithTheFieldNamed) {
    const auto refused = [this](const std::string& body, const std::string& field) {
        const http::Response response = create(body);
        return response.status == 422 && response.body.find("\"" + field + "\"") != std::string::npos;
    };
    EXPECT_TRUE(refused(R"({})", "name"));
    EXPECT_TRUE(refused(R"({"name":"k","rate":"fast"})", "rate"));
    EXPECT_TRUE(refused(R"({"name":"k","daily_cap":-1})", "daily_cap"));
    EXPECT_TRUE(refused(R"({"name":"k","daily_cap":0.0001})", "daily_cap"));
    EXPECT_TRUE(refused(R"({"name":"k","expires_at":"soon"})", "expires_at"));
    EXPECT_TRUE(refused(R"({"name":"k","scopes":[]})", "scopes"));
    EXPECT_EQ(create(R"({"name":"k","scopes":["two words"]})").status, 422);
    EXPECT_EQ(create(R"({"name":"k","expires_at":"2001-01-01T00:00:00Z"})").status, 422);
    EXPECT_EQ(create(R"({"name":"k","tenant":null,"rate":null,"daily_cap":null,"expires_at":null})").status, 200);
}

TEST_F(KeyRoutesTest, RevokingEndsAKeyAtOnceByEitherRoute) {
    for (const bool by_delete : {false, true}) {
        const NewKey key = make_key({.name = "k", .scopes = {"admin"}});
        ASSERT_EQ(status_with(key.text), 200);
        const std::string path = "/api/keys/" + key.record.public_id;
        const http::Response done =
            by_delete ? ask(http::Method::kDelete, path, admin_) : ask(http::Method::kPost, path + "/revoke", admin_);
        ASSERT_EQ(done.status, 200) << done.body;
        EXPECT_EQ(member(done, "state"), "revoked");
        EXPECT_EQ(status_with(key.text), 401);
    }
    EXPECT_EQ(ask(http::Method::kDelete, "/api/keys/aaaaaaaaaaab", admin_).status, 404);
    EXPECT_EQ(ask(http::Method::kDelete, "/api/keys/short", admin_).status, 422);
}

TEST_F(KeyRoutesTest, ARotatedKeyWorksUntilItsOverlapEnds) {
    const NewKey key = make_key({.name = "k", .scopes = {"admin"}});
    const std::string path = "/api/keys/" + key.record.public_id + "/rotate";
    const http::Response done = ask(http::Method::kPost, path + "?overlap_s=60", admin_);
    ASSERT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(member(done, "rotated_from"), key.record.public_id);
    const std::string fresh = member(done, "key");
    EXPECT_EQ(status_with(key.text), 200);
    EXPECT_EQ(status_with(fresh), 200);
    clock.advance(std::chrono::seconds(60));
    EXPECT_EQ(status_with(key.text), 401);
    EXPECT_EQ(status_with(fresh), 200);
    EXPECT_EQ(ask(http::Method::kPost, path, admin_).status, 409);
}

TEST_F(KeyRoutesTest, TheListComesInPages) {
    std::set<std::string> made{admin_.substr(3, 12)};
    for (int i = 0; i < 5; ++i) {
        clock.advance(std::chrono::milliseconds(1));
        made.insert(make_key().record.public_id);
    }
    std::set<std::string> seen;
    std::string cursor;
    int pages = 0;
    do {
        const http::Response page =
            ask(http::Method::kGet, "/api/keys?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor), admin_);
        ASSERT_EQ(page.status, 200) << page.body;
        const auto document = json::parse(page.body).value();
        document.root().find("items")->each(
            [&](json::Value item) { seen.insert(std::string(item.find("id")->as_string())); });
        EXPECT_EQ(document.root().find("total")->as_int(), 6);
        cursor = member(page, "next_cursor");
    } while (!cursor.empty() && ++pages < 10);
    EXPECT_EQ(seen, made);
    EXPECT_EQ(pages, 2);
    EXPECT_EQ(ask(http::Method::kGet, "/api/keys?cursor=nobody", admin_).status, 422);
}

}  // namespace
}  // namespace tidegate::app
