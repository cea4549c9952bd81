// Tokens in PostgreSQL under 32 clients of two servers, kills of the servers and of the database: the sum holds, what was acknowledged is there
// once, and no balance is older than an answer that was given, whichever server is asked.
#include <gmock/gmock.h>

#include "audit_postgres/postgres_server.h"
#include "system/gate.h"
#include "system/ledger_clients.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;

class LedgerInPostgres : public LedgerFixture {
  protected:
    using Process = std::unique_ptr<ServerProcess>;

    void SetUp() override {
        NEED_POSTGRES();
        LedgerFixture::SetUp();
        database_ = PostgresServer::start();
        ASSERT_NE(database_, nullptr);
        for (const TemporaryFolder& folder : folders_) {
            // Who asks without a key is the same at both by the salt.
            std::ofstream(folder.path() + "/tidegate.yaml")
                << "content:\n  store: postgres\nidentity:\n  address_salt: sixteen bytes or more\ndatabase:\n  url: \""
                << database_->url() << "\"\n";
        }
    }
    std::vector<std::string> words(std::size_t at) const {
        return {"--config=" + folders_[at].path() + "/tidegate.yaml"};
    }
    void open(std::size_t at) {
        servers_[at] = ServerProcess::start(folders_[at].path(), words(at));
        ASSERT_NE(servers_[at], nullptr);
        ports_[at] = servers_[at]->port();
    }
    json::Document ledger_state(std::size_t at) const { return parse_json(get(ports_[at], "/health").body); }
    std::string answers(std::size_t at) const {
        const auto state = ledger_state(at);
        return state.root().find("services")->find("content")->find("ledger")->find("answers")->as_bool() ? "yes"
                                                                                                          : "no";
    }
    RunResult reconcile() const {
        std::vector<std::string> all{"ledger", "reconcile", "--data-dir=" + folders_[0].path()};
        for (const std::string& word : words(0)) all.push_back(word);
        return run_binary(all);
    }

    std::unique_ptr<PostgresServer> database_;
    std::array<TemporaryFolder, 2> folders_;
    std::array<Process, 2> servers_;
    std::array<std::atomic<std::uint16_t>, 2> ports_{};
};

TEST_F(LedgerInPostgres, TwoServersAndKillsOfEachAndOfTheDatabaseLeaveEveryAcknowledgedTransferThereOnce) {
    ASSERT_NO_FATAL_FAILURE(open(0));
    ASSERT_NO_FATAL_FAILURE(open(1));
    fund(ports_[0]);
    if (HasFailure()) return;
    std::atomic<int> answered{0};
    std::atomic<bool> enough{false};
    {
        std::vector<std::jthread> threads;
        for (Client& client : clients_) {
            threads.emplace_back([&] { client.run_over(ports_, traffic_, answered, enough); });
        }
        for (int round = 0; round < 6 && !HasFailure(); ++round) {
            const int until = answered.load() + 100;
            const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
            while (answered.load() < until && !HasFailure() && std::chrono::steady_clock::now() < give_up)
                rest(std::chrono::milliseconds(1));
            EXPECT_GE(answered.load(), until) << "round " << round;
            if (round % 3 == 2) {
                EXPECT_TRUE(database_->restart());  // After a kill.
            } else {
                servers_[static_cast<std::size_t>(round % 3)]->kill_now();
                open(static_cast<std::size_t>(round % 3));
            }
        }
        enough = true;
    }
    if (HasFailure()) return;
    check_all(ports_[0]);
    check_all(ports_[1]);
    const RunResult reconciled = reconcile();
    EXPECT_EQ(reconciled.status, 0) << reconciled.error;
    EXPECT_THAT(reconciled.out, HasSubstr("every account equals its entries"));
}

TEST_F(LedgerInPostgres, TheDeathOfTheDatabaseIsSaidAndOutlivedAndALedgerThatWouldNotBeSeenStopsTheStart) {
    ASSERT_NO_FATAL_FAILURE(open(0));
    ASSERT_EQ(post(ports_[0], "/api/users", R"({"user_id":"ann","username":"Ann"})").status, 201);
    ASSERT_EQ(post(ports_[0], "/api/users", R"({"user_id":"bob","username":"Bob"})").status, 201);
    ASSERT_EQ(post(ports_[0], "/tokens/award", R"({"user_id":"ann","amount":"5"})").status, 200);
    EXPECT_EQ(answers(0), "yes");
    const auto transfer = [&] {
        return post(ports_[0], "/tokens/transfer", R"({"from_user_id":"ann","to_user_id":"bob","amount":"1"})",
                    {{"Idempotency-Key", "one"}});
    };
    database_->kill();
    for (const std::string target : {"/api/users", "/api/cards", "/tokens/balance/ann", "/tokens/ledger/ann"}) {
        const RawResponse away = get(ports_[0], target);
        EXPECT_EQ(away.status, 503) << target;
        EXPECT_THAT(away.body, HasSubstr("database")) << target;
    }
    EXPECT_EQ(transfer().status, 503);
    EXPECT_EQ(answers(0), "no");
    EXPECT_EQ(ledger_state(0).root().find("status")->as_string(), "degraded");
    EXPECT_EQ(get(ports_[0], "/live").status, 200);
    ASSERT_TRUE(database_->restart());
    // By itself: nobody asks the ledger.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (answers(0) == "no" && std::chrono::steady_clock::now() < deadline) rest(std::chrono::milliseconds(20));
    EXPECT_EQ(answers(0), "yes");
    const RawResponse done = transfer();
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(transfer().header("idempotent-replayed"), "true");
    RawClient eye(ports_[0]);
    EXPECT_EQ(Client::balance(eye, "bob"), 1);

    const auto other = ServerProcess::start(folders_[1].path());
    ASSERT_NE(other, nullptr);
    ASSERT_EQ(post(other->port(), "/api/users", R"({"user_id":"cat","username":"Cat"})").status, 201);
    EXPECT_EQ(other->stop(SIGTERM, 60), 0);
    const RunResult refused = run_binary({"serve", "--port=0", "--data-dir=" + folders_[1].path(), words(1).front()});
    EXPECT_NE(refused.status, 0);
    EXPECT_THAT(refused.error, HasSubstr("ledger.db holds users and tokens"));
}

}  // namespace
}  // namespace tidegate::testing
