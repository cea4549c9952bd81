// The real server with its texts in a real PostgreSQL: they are found, the database's death is said and outlived, and nothing that was
// acknowledged is lost by a kill of either.
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "audit_postgres/postgres_server.h"
#include "base/strings.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;

class ContentPostgres : public GateFixture {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        database_ = PostgresServer::start();
        ASSERT_NE(database_, nullptr);
    }
    std::string yaml() const {
        return "content:\n  store: postgres\n  cache_ttl_query_s: 0\ndatabase:\n  url: \"" + database_->url() + "\"\n";
    }
    void open() {
        server_ = start(yaml());
        ASSERT_NE(server_, nullptr);
        port_ = server_->port();
    }
    RawResponse store(const std::string& id, const std::string& body) const {
        return post(port_, "/api/contents", R"({"content_id":")" + id + R"(","body":")" + body + R"("})");
    }
    RawResponse search(const std::string& words) const { return get(port_, "/query/search?q=" + words); }
    std::string texts_state() const {
        return std::string(
            health(port_).root().find("services")->find("content")->find("texts")->find("answers")->as_bool() ? "yes"
                                                                                                              : "no");
    }

    std::unique_ptr<PostgresServer> database_;
    Process server_;
    std::uint16_t port_ = 0;
};

TEST_F(ContentPostgres, TheDeathOfTheDatabaseIsSaidAndOutlived) {
    ASSERT_NO_FATAL_FAILURE(open());
    ASSERT_EQ(store("tides", "The moon pulls the sea. A tide gate keeps it out.").status, 200);
    ASSERT_EQ(store("bread", "Bread is baked from flour and water.").status, 200);
    const auto found = parse_json(search("tide+gate").body);
    EXPECT_EQ(found.root().find("count")->as_int(), 1);
    const auto answer = parse_json(post(port_, "/query/rag", R"({"prompt":"What does a tide gate keep out?"})").body);
    EXPECT_THAT(std::string(answer.root().find("answer")->find("text")->as_string()), HasSubstr("tide gate"));
    EXPECT_EQ(texts_state(), "yes");

    database_->kill();
    const RawResponse away = search("tide+gate");
    EXPECT_EQ(away.status, 503);
    EXPECT_THAT(away.body, HasSubstr("database"));
    EXPECT_EQ(store("more", "Nothing of this is kept.").status, 503);
    EXPECT_EQ(get(port_, "/api/contents").status, 503);
    EXPECT_EQ(texts_state(), "no");
    EXPECT_EQ(health(port_).root().find("status")->as_string(), "degraded");
    EXPECT_EQ(get(port_, "/live").status, 200);

    ASSERT_TRUE(database_->restart());
    EXPECT_EQ(ask_until([&] { return search("tide+gate").status; }, [](int got) { return got == 200; }), 200);
    const auto given = [&](const std::string& words) {
        return until_given([&] { return search(words); }, json::Kind::kObject);
    };
    EXPECT_EQ(ask_until([&] { return texts_state(); }, [](const std::string& got) { return got == "yes"; }), "yes");
    EXPECT_EQ(given("tide+gate").root().find("count")->as_int(), 1);
    EXPECT_EQ(given("kept").root().find("count")->as_int(), 0);
    const auto store_again = [&] { return store("more", "All of this is kept.").status; };
    EXPECT_EQ(ask_until(store_again, [](int got) { return got == 200; }), 200);
}

TEST_F(ContentPostgres, KillsOfTheServerAndOfTheDatabaseLoseNothingAcknowledged) {
    std::set<std::string> acknowledged;
    for (int round = 0; round < 4; ++round) {
        ASSERT_NO_FATAL_FAILURE(open());
        std::atomic<bool> stop{false};
        std::set<std::string> seen;
        std::thread writer([&] {
            for (int i = 0; !stop; ++i) {
                const std::string id = "r" + std::to_string(round) + "n" + std::to_string(i);
                if (store(id, "Tides of " + id + ".").status == 200) seen.insert(id);
            }
        });
        // A bound against hanging; what ends the wait are texts that came in.
        ask_until([&] { return parse_json(get(port_, "/api/contents?limit=1").body).root().find("total")->as_int(); },
                  [&](std::int64_t total) { return total >= static_cast<std::int64_t>(acknowledged.size()) + 5; });
        if (round % 2 == 0) {
            database_->kill();
            ASSERT_TRUE(database_->restart());
            const auto before = acknowledged.size();
            EXPECT_EQ(ask_until([&] { return store("after" + std::to_string(round), "Tides.").status; },
                                [](int got) { return got == 200; }),
                      200);
            acknowledged.insert("after" + std::to_string(round));
            EXPECT_GT(acknowledged.size(), before);
        } else {
            server_->kill_now();
        }
        stop = true;
        writer.join();
        acknowledged.insert(seen.begin(), seen.end());
        server_.reset();
    }
    ASSERT_NO_FATAL_FAILURE(open());
    for (const std::string& id : acknowledged) EXPECT_EQ(get(port_, "/api/contents/" + id).status, 200) << id;
    const auto page = parse_json(get(port_, "/api/contents?limit=1").body);
    EXPECT_GE(page.root().find("total")->as_int(), static_cast<std::int64_t>(acknowledged.size()));
}

TEST_F(ContentPostgres, WhatIsImportedBesideTheServerIsFoundAndAStartWithoutADatabaseIsRefused) {
    ASSERT_NO_FATAL_FAILURE(open());
    const std::string file = folder_.path() + "/texts.ndjson";
    std::ofstream(file) << R"({"content_id":"gates","body":"Tide gates let water out."})" << "\n";
    const RunResult imported = run_binary(
        {"content", "import", file, "--config=" + folder_.path() + "/tidegate.yaml", "--data-dir=" + folder_.path()});
    EXPECT_EQ(imported.status, 0) << imported.error;
    EXPECT_EQ(ask_until([&] { return parse_json(search("gates").body).root().find("count")->as_int(); },
                        [](std::int64_t got) { return got == 1; }),
              1);

    const TemporaryFolder other;
    const RunResult without =
        run_binary({"serve", "--port=0", "--data-dir=" + other.path(), "--content.store=postgres"});
    EXPECT_NE(without.status, 0);
    EXPECT_THAT(without.error, HasSubstr("content.store is postgres and database.url is not set"));
    const RunResult away = run_binary({"serve", "--port=0", "--data-dir=" + other.path(), "--content.store=postgres"},
                                      {}, {"DATABASE_URL=host=" + other.path() + " user=nobody dbname=none"});
    EXPECT_NE(away.status, 0);
    EXPECT_THAT(away.error, HasSubstr("the database of the texts (database.url)"));
}

}  // namespace
}  // namespace tidegate::testing
