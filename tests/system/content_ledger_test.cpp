// Tokens under 32 clients and kill -9: the sum holds, what was acknowledged is there once, and no balance is older than an answer that was given.
#include <chrono>
#include <cstdlib>

#include "system/ledger_clients.h"

namespace tidegate::testing {
namespace {

constexpr int kKills = 8;  // LEDGER_KILLS: another number, for longer runs.

int wanted_kills() {
    const char* const said = std::getenv("LEDGER_KILLS");
    return said == nullptr ? kKills : static_cast<int>(parse_i64(said).value_or(kKills));
}

class LedgerSystem : public LedgerFixture {
  protected:
    /// All clients at once; `kill_after` answers the server is killed. 0: until each has an answer to all it sent.
    void run(ServerProcess& server, int kill_after) {
        std::atomic<int> answered{0};
        std::atomic<bool> enough{kill_after == 0};
        std::vector<std::jthread> threads;
        for (Client& client : clients_) {
            threads.emplace_back([&] { client.run(server.port(), traffic_, answered, enough); });
        }
        if (kill_after == 0) return;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
        while (answered.load() < kill_after && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
        EXPECT_GE(answered.load(), kill_after);
        server.kill_now();
        enough = true;
    }

    TemporaryFolder folder_;
};

TEST_F(LedgerSystem, ThirtyTwoClientsAndKillsLeaveEveryAcknowledgedTransferThereOnce) {
    for (int round = 0; round < wanted_kills(); ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const auto server = ServerProcess::start(folder_.path());
        ASSERT_NE(server, nullptr);
        if (round == 0) fund(server->port());
        run(*server, 40 + static_cast<int>(mix64(static_cast<std::uint64_t>(round) + 41) % 260));
        if (HasFailure()) return;
    }
    const auto server = ServerProcess::start(folder_.path());
    ASSERT_NE(server, nullptr);
    run(*server, 0);
    check_all(server->port());
    EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    const RunResult reconciled = run_binary({"ledger", "reconcile", "--data-dir", folder_.path()});
    EXPECT_EQ(reconciled.status, 0) << reconciled.error;
    EXPECT_NE(reconciled.out.find("every account equals its entries"), std::string::npos) << reconciled.out;
}

}  // namespace
}  // namespace tidegate::testing
