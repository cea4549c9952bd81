// Pools: how many connections, who waits, in which order, and what becomes of kept ones.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http_client/client_fixture.h"

namespace tidegate::http {
namespace {

/// Answers each request with its target, once let go.
struct Turnstile {
    Mutex mutex;
    Condition changed;
    int passes TG_GUARDED_BY(mutex) = 0;
    std::vector<std::string> order TG_GUARDED_BY(mutex);

    void serve(Peer& peer) {
        for (std::string head = peer.request(); !head.empty(); head = peer.request()) {
            {
                const Lock lock(mutex);
                order.push_back(head.substr(4, head.find(' ', 4) - 4));
                while (passes == 0) changed.wait(mutex);
                --passes;
            }
            peer.answer("x");
        }
    }
    void let(int count) {
        {
            const Lock lock(mutex);
            passes += count;
        }
        changed.notify_all();
    }
    std::vector<std::string> seen() {
        const Lock lock(mutex);
        return order;
    }
};

TEST_F(ClientTest, callsBeyondTheLimitWaitInOrderAndOneTooManyFails) {
    Turnstile turnstile;
    ScriptedServer server([&](Peer& peer) { turnstile.serve(peer); });
    ClientOptions options;
    options.connections_max = 1;
    options.waiting_max = 3;
    make(options);
    std::vector<std::shared_ptr<Heard>> all;
    for (int i = 0; i < 5; ++i) {
        auto heard = all.emplace_back(std::make_shared<Heard>());
        client->start(origin(server.port()), get("/" + std::to_string(i)), {}, heard);
        // The first has its connection before the others come.
        if (i == 0) {
            EXPECT_TRUE(driver.until([&] { return turnstile.seen().size() == 1; }));
        }
    }
    EXPECT_FALSE(all[4]->over()) << "no callback from inside start()";
    EXPECT_TRUE(driver.until([&] { return all[4]->over(); }));
    expect_failure(*all[4], Kind::kPoolFull, Stage::kConnect, true);
    EXPECT_TRUE(counted(counters.calls_waiting, std::int64_t{3}));
    EXPECT_EQ(counters.connections_open.load(), 1);
    turnstile.let(4);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(driver.until([&] { return all[i]->ends == 1; }));
    EXPECT_EQ(turnstile.seen(), (std::vector<std::string>{"/0", "/1", "/2", "/3"}));
    EXPECT_EQ(server.connections(), 1);
    EXPECT_TRUE(counted(counters.calls_waiting, std::int64_t{0}));
    EXPECT_EQ(counters.connections_reused.load(), 3U);
}

TEST_F(ClientTest, aWaitingCallThatRunsOutOfTimeOrIsCancelledLeavesTheQueue) {
    Turnstile turnstile;
    ScriptedServer server([&](Peer& peer) { turnstile.serve(peer); });
    ClientOptions options;
    options.connections_max = 1;
    make(options);
    const auto start = [&](std::string target, Duration connect_max) {
        auto heard = std::make_shared<Heard>();
        CallTimes times;
        times.connect_max = connect_max;
        return std::pair(client->start(origin(server.port()), get(std::move(target)), times, heard), heard);
    };
    const auto [busy_call, busy] = start("/busy", seconds(60));
    EXPECT_TRUE(driver.until([&] { return turnstile.seen().size() == 1; }));
    const auto [hurried_call, hurried] = start("/hurried", milliseconds(50));
    const auto [cancelled_call, cancelled] = start("/cancelled", seconds(60));
    const auto [patient_call, patient] = start("/patient", seconds(60));
    cancelled_call->cancel();
    EXPECT_TRUE(driver.until([&] { return hurried->over(); }));
    expect_failure(*hurried, Kind::kTimeout, Stage::kConnect, true);
    turnstile.let(2);
    EXPECT_TRUE(driver.until([&] { return patient->over(); }));
    EXPECT_FALSE(cancelled->over());
    EXPECT_EQ(turnstile.seen(), (std::vector<std::string>{"/busy", "/patient"}));
}

TEST_F(ClientTest, asManyConnectionsAsCallsUpToTheLimit) {
    Turnstile turnstile;
    ScriptedServer server([&](Peer& peer) { turnstile.serve(peer); });
    ClientOptions options;
    options.connections_max = 4;
    options.idle_connections_max = 2;
    make(options);
    std::vector<std::shared_ptr<Heard>> all;
    for (int i = 0; i < 10; ++i) {
        client->start(origin(server.port()), get(), {}, all.emplace_back(std::make_shared<Heard>()));
    }
    EXPECT_TRUE(driver.until([&] { return turnstile.seen().size() == 4; }));
    EXPECT_TRUE(counted(counters.calls_waiting, std::int64_t{6}));
    EXPECT_EQ(counters.connections_open.load(), 4);
    turnstile.let(10);
    for (const auto& heard : all) EXPECT_TRUE(driver.until([&] { return heard->ends == 1; }));
    EXPECT_EQ(server.connections(), 4);
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{2})) << "no more are kept than idle_connections_max";
    EXPECT_EQ(counters.connections_idle.load(), 2);
    EXPECT_EQ(counters.connections_closed_idle.load(), 2U);
}

TEST_F(ClientTest, callsThatWaitForAnUpstreamThatRefusesAllFail) {
    const RefusingPort closed;
    ClientOptions options;
    options.connections_max = 2;
    make(options);
    std::vector<std::shared_ptr<Heard>> all;
    for (int i = 0; i < 10; ++i)
        client->start(origin(closed.number()), get(), {}, all.emplace_back(std::make_shared<Heard>()));
    for (const auto& heard : all) {
        EXPECT_TRUE(driver.until([&] { return heard->over(); }));
        expect_failure(*heard, Kind::kRefused, Stage::kConnect, true);
    }
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
    EXPECT_EQ(counters.calls_waiting.load(), 0);
}

TEST_F(ClientTest, keptConnectionsGrowOldAndAreClosed) {
    ScriptedServer server([](Peer& peer) {
        while (!peer.request().empty()) peer.answer("x");
        EXPECT_TRUE(peer.closed_by_client());
    });
    ClientOptions options;
    options.idle_connection_max = milliseconds(60);
    make(options);
    EXPECT_EQ(ask(server)->body, "x");
    EXPECT_EQ(ask(server)->body, "x");
    EXPECT_TRUE(counted(counters.connections_closed_idle, std::uint64_t{1}));
    EXPECT_EQ(counters.connections_idle.load(), 0);
    EXPECT_EQ(ask(server)->body, "x");
    EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, aForgottenOriginKeepsNoConnection) {
    Turnstile turnstile;
    ScriptedServer server([&](Peer& peer) { turnstile.serve(peer); });
    turnstile.let(1);
    EXPECT_EQ(ask(server)->ends, 1);
    auto heard = std::make_shared<Heard>();
    client->start(origin(server.port()), get(), {}, heard);
    client->forget(origin(server.port()));
    client->forget(origin(1));
    turnstile.let(1);
    EXPECT_TRUE(driver.until([&] { return heard->ends == 1; })) << "a call under way goes on";
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
    turnstile.let(1);
    EXPECT_EQ(ask(server)->ends, 1);
    EXPECT_TRUE(counted(counters.connections_idle, std::int64_t{1})) << "and whoever asks again is remembered again";
    client->forget(origin(server.port()));
    EXPECT_TRUE(counted(counters.connections_open, std::int64_t{0}));
}

TEST_F(ClientTest, aConnectionThatIsReadyLateServesWhoeverIsInFront) {
    Turnstile turnstile;
    ScriptedServer server([&](Peer& peer) { turnstile.serve(peer); });
    turnstile.let(100);
    std::vector<std::shared_ptr<Heard>> all;
    std::vector<CallPtr> calls;
    for (int i = 0; i < 20; ++i) {
        auto heard = all.emplace_back(std::make_shared<Heard>());
        calls.push_back(client->start(origin(server.port()), get("/" + std::to_string(i)), {}, heard));
        if (i % 3 == 0) calls.back()->cancel();
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i % 3 == 0) continue;
        EXPECT_TRUE(driver.until([&] { return all[i]->ends == 1; })) << i;
    }
    for (std::size_t i = 0; i < all.size(); i += 3) EXPECT_FALSE(all[i]->over());
    EXPECT_TRUE(counted(counters.calls_waiting, std::int64_t{0}));
}

}  // namespace
}  // namespace tidegate::http
