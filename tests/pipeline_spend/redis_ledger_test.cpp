// Spend over a real Redis: exact between servers, and known bounds when Redis dies, forgets or stands still.
#include "pipeline/spend/redis_ledger.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/strings.h"
#include "redis_fixture.h"
#include "support/redis_server.h"

namespace tidegate::pipeline::spend {
namespace {

using std::chrono::milliseconds;
using testing::RedisServer;

Payer tenant_payer(std::uint64_t key) {
    return {
        .actor = key, .tenant = 99, .is_address = false, .actor_cap = Points::whole(3), .tenant_cap = Points::whole(5)};
}

TEST(SharedLedger, TwoServersShareOneCapToThePoint) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    SharedSpend a(server->port()), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    int admitted = 0;
    for (int i = 0; i < 60; ++i) {
        auto outcome = (i % 2 == 0 ? a : b).reserve(key_payer(), kTenth);
        if (!outcome) continue;
        ++admitted;
        outcome->settle(kTenth);
    }
    EXPECT_EQ(admitted, 50);
    EXPECT_EQ(a.usage(key_payer()).actor.spent, Points::whole(5));
    EXPECT_EQ(b.usage(key_payer()).actor.remaining(), Points{});
    const auto refused = b.reserve(key_payer(), kTenth);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().until_reset);
    EXPECT_EQ(a.counters().local.value() + b.counters().local.value(), 0U);
}

TEST(SharedLedger, KeyAndTenantAreJudgedAsOneAcrossServers) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port()), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    a.spend(tenant_payer(1), Points::whole(3));
    b.spend(tenant_payer(2), Points{1900});
    const auto refused = a.reserve(tenant_payer(3), Points{200});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cap, Cap::kTenant);
    EXPECT_EQ(a.usage(tenant_payer(3)).actor.reserved, Points{}) << "the tenant's refusal leaves nothing with the key";
    const auto by_key = b.reserve(tenant_payer(1), kTenth);
    ASSERT_FALSE(by_key);
    EXPECT_EQ(by_key.error().cap, Cap::kKey);
    EXPECT_TRUE(b.reserve(tenant_payer(3), kTenth));
}

TEST(SharedLedger, ARefundAndADroppedReservationMakeRoomElsewhere) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port()), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    {
        const auto open = a.reserve(key_payer(), Points::whole(5));
        ASSERT_TRUE(open);
        const auto refused = b.reserve(key_payer(), kTenth);
        ASSERT_FALSE(refused);
        EXPECT_FALSE(refused.error().until_reset);
    }
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.reserved.is_zero(); }));
    b.spend(key_payer(), Points::whole(5));
}

TEST(SharedLedger, AReservationMayBeSettledOnAnotherThread) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port());
    ASSERT_TRUE(a.until_shared());
    auto outcome = a.reserve(key_payer(), Points::whole(2));
    ASSERT_TRUE(outcome);
    std::thread([moved = *std::move(outcome)]() mutable { moved.settle(Points::whole(1)); }).join();
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.spent == Points::whole(1); }));
    EXPECT_EQ(a.usage(key_payer()).actor.reserved, Points{});
}

TEST(SharedLedger, ReservationsOfADeadServerLapseAndNothingIsCharged) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend b(server->port());
    ASSERT_TRUE(b.until_shared());
    std::optional<Reservation> open;
    {
        SharedSpend a(server->port(), {.reservation_max = milliseconds(3000)});
        ASSERT_TRUE(a.until_shared());
        auto outcome = a.reserve(key_payer(), Points::whole(5));
        ASSERT_TRUE(outcome);
        open = *std::move(outcome);
        EXPECT_FALSE(b.reserve(key_payer(), kTenth));
    }  // Its connection is gone: what it holds is settled nowhere.
    ASSERT_TRUE(b.driver().until([&] { return b.reserve(key_payer(), Points::whole(5)).has_value(); }));
    EXPECT_EQ(b.usage(key_payer()).actor.spent, Points{});
    open->release();
}

TEST(SharedLedger, OneSettledAfterItLapsedIsChargedAllTheSame) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port(), {.reservation_max = milliseconds(50)}), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    auto late = a.reserve(key_payer(), Points::whole(2));
    ASSERT_TRUE(late);
    ASSERT_TRUE(b.driver().until([&] { return b.usage(key_payer()).actor.reserved.is_zero(); }));
    late->settle(Points::whole(2));
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.spent == Points::whole(2); }));
    EXPECT_EQ(b.usage(key_payer()).actor.reserved, Points{});
}

TEST(SharedLedger, WithoutRedisAServerGoesOnFromTheLastTotalAndAddsItsOwnWhenRedisIsBack) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port()), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    a.spend(key_payer(), Points::whole(2));
    b.spend(key_payer(), Points::whole(1));
    EXPECT_EQ(a.usage(key_payer()).actor.spent, Points::whole(3));
    auto open = a.reserve(key_payer(), Points{500});
    ASSERT_TRUE(open);
    server->kill();
    ASSERT_TRUE(a.until_alone() && b.until_alone());
    EXPECT_TRUE(a.ledger().degraded());
    EXPECT_EQ(a.counters().loops_degraded, 1U);
    a.spend(key_payer(), Points{1500});
    EXPECT_FALSE(a.reserve(key_payer(), kTenth)) << "3 known, 1.5 of its own, 0.5 open";
    open->settle(Points{500});
    EXPECT_EQ(a.counters().local.value(), 2U);
    // It comes back empty: what each has spent is there again, before and during.
    ASSERT_TRUE(server->restart());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    EXPECT_EQ(a.usage(key_payer()).actor.spent, Points::whole(5));
    EXPECT_EQ(b.usage(key_payer()).actor.spent, Points::whole(5));
    EXPECT_FALSE(b.reserve(key_payer(), kTenth));
    EXPECT_EQ(a.counters().loops_degraded, 0U);
}

TEST(SharedLedger, ARedisThatForgotEverythingIsNotBelievedBeforeTheOthersAreBack) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port());
    ASSERT_TRUE(a.until_shared());
    {
        SharedSpend gone(server->port());
        ASSERT_TRUE(gone.until_shared());
        gone.spend(key_payer(), Points{4900});
        ASSERT_TRUE(gone.driver().until([&] { return gone.usage(key_payer()).actor.spent == Points{4900}; }));
    }
    EXPECT_EQ(a.usage(key_payer()).actor.spent, Points{4900});
    a.spend(key_payer(), kTenth);
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.spent == Points::whole(5); }));
    EXPECT_FALSE(a.reserve(key_payer(), kTenth));
    EXPECT_EQ(server->command({"FLUSHALL"}), "OK");
    EXPECT_FALSE(a.reserve(key_payer(), kTenth))
        << "the highest total it knew counts, though nobody can prove it any more";
}

TEST(SharedLedger, AFrozenRedisDelaysARequestByItsLimitAndSettlementsAreNotLost) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    testing::LoopDriver driver;
    SystemRandom random;
    store::RedisCounters redis_counters;
    const auto book = make_book();
    const auto redis = store::connect_redis(
        driver.loop(),
        {.port = server->port(), .connect_max = std::chrono::seconds(30), .command_max = milliseconds(1000)},
        redis_counters);
    const auto ledger = make_redis_ledger(book, *redis, driver.loop(), random, {});
    ASSERT_TRUE(driver.until([&] { return redis->connected() && !ledger->degraded(); }));
    std::optional<Ledger::Outcome> first, second;
    ASSERT_FALSE(
        ledger->reserve(key_payer(), Points::whole(1), kNoon, [&](Ledger::Outcome o) { first.emplace(std::move(o)); }));
    ASSERT_TRUE(driver.until([&] { return first.has_value(); }));
    server->freeze();
    (*first)->settle(Points::whole(1));
    auto now =
        ledger->reserve(key_payer(), Points::whole(2), kNoon, [&](Ledger::Outcome o) { second.emplace(std::move(o)); });
    ASSERT_FALSE(now);
    ASSERT_TRUE(driver.until([&] { return second.has_value(); }));
    ASSERT_TRUE(second->has_value()) << "admitted by what this server knows";
    EXPECT_TRUE(ledger->degraded());
    auto alone = ledger->reserve(key_payer(), Points{2001}, kNoon, {});
    ASSERT_TRUE(alone.has_value());
    EXPECT_FALSE(alone->has_value()) << "1 spent and 2 held of 5";
    (*second)->settle(Points::whole(2));
    server->thaw();
    ASSERT_TRUE(driver.until([&] { return redis->connected() && !ledger->degraded(); }));
    std::optional<Usage> usage;
    ASSERT_FALSE(ledger->usage(key_payer(), kNoon, [&](const Usage& answer) { usage = answer; }));
    ASSERT_TRUE(driver.until([&] { return usage.has_value(); }));
    EXPECT_EQ(usage->actor.spent, Points::whole(3)) << "each once, though sent twice";
    EXPECT_EQ(usage->actor.reserved, Points{});
    EXPECT_GE(book->counters().shared_failures.value(), 2U);
    ledger->stop();
}

TEST(SharedLedger, AFullRedisIsALostRedisUntilThereIsRoom) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SharedSpend a(server->port(), {.retry = milliseconds(50)});
    ASSERT_TRUE(a.until_shared());
    a.spend(key_payer(), Points::whole(1));
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.spent == Points::whole(1); }));
    server->fill();
    a.spend(key_payer(), Points::whole(2));
    EXPECT_TRUE(a.driver().until([&] { return a.ledger().degraded(); }));
    EXPECT_FALSE(a.reserve(key_payer(), Points{2001})) << "judged by its own count";
    server->command({"CONFIG", "SET", "maxmemory", "0"});
    ASSERT_TRUE(a.until_shared());
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer()).actor.spent == Points::whole(3); }));
    EXPECT_EQ(a.usage(key_payer()).actor.reserved, Points{});
}

TEST(SharedLedger, MidnightBeginsNewTotalsForAllServers) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    const UnixMillis midnight = kNoon + kDayMs / 2;
    SharedSpend a(server->port()), b(server->port());
    ASSERT_TRUE(a.until_shared() && b.until_shared());
    a.spend(key_payer(), Points::whole(4));
    auto open = a.reserve(key_payer(), Points::whole(1));
    ASSERT_TRUE(open);
    EXPECT_FALSE(b.reserve(key_payer(), kTenth));
    b.spend(key_payer(), Points::whole(2), midnight);
    open->settle(Points::whole(1));
    a.spend(key_payer(), Points::whole(3), midnight + 5);
    ASSERT_TRUE(a.driver().until([&] { return a.usage(key_payer(), midnight + 5).actor.spent == Points::whole(5); }));
    EXPECT_FALSE(b.reserve(key_payer(), kTenth, midnight + 9));
}

TEST(SharedLedger, KeysInRedisGoTwoDaysAfterTheirLastChangeWhateverTheServersClockSays) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    SystemClock clock;
    SharedSpend a(server->port(), {}, clock.unix_ms());
    ASSERT_TRUE(a.until_shared());
    auto open = a.reserve(tenant_payer(1), kTenth, clock.unix_ms());
    ASSERT_TRUE(open);
    const std::string keys = server->command({"KEYS", "tidegate:spend:*"});
    std::size_t seen = 0;
    for (const std::string_view key : split(keys, '\n')) {
        if (key.empty()) continue;
        ++seen;
        const auto left = parse_i64(server->command({"PTTL", std::string(key)}));
        EXPECT_GT(left.value_or(-1), kDayMs) << key;
        EXPECT_LE(left.value_or(-1), 2 * kDayMs) << key;
    }
    EXPECT_EQ(seen, 4U);
}

}  // namespace
}  // namespace tidegate::pipeline::spend
