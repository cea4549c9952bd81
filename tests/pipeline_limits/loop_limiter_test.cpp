// Limits shared through a real Redis: exact over several loops, leases, and every way in which Redis can fail.
#include "pipeline/limits/loop_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/redis_counters.h"
#include "support/loop_driver.h"
#include "support/redis_server.h"

namespace tidegate::limits {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::RedisServer;

/// One server process as far as the limits go: rules, one loop, its connection.
struct Node {
    Node(const Rate& rate, std::uint16_t port, LeaseOptions leases = {}, Duration command_max = seconds(60),
         std::vector<LimitRule> more = {})
        : limiter(make(rate, std::move(more), driver.clock(), random)),
          route(limiter->rules().of_route("f", "r").value()),
          redis(store::connect_redis(
              driver.loop(), {.port = port, .connect_max = seconds(30), .command_max = command_max}, redis_counters)) {
        limits = std::make_unique<LoopLimiter>(*limiter, driver.loop(), redis.get(), leases);
    }
    static std::unique_ptr<RateLimiter> make(const Rate& rate, std::vector<LimitRule> rules, const Clock& clock,
                                             Random& random) {
        rules.push_back({.name = "shared", .per = Per::kKey, .rate = rate});
        return RateLimiter::create(std::move(rules), {}, clock, random).value();
    }
    bool connect() {
        return driver.until([&] { return redis->connected(); });
    }
    /// Sends `count` requests of `key` within one turn and counts the answers as they come.
    void send(int count, std::uint64_t key = 1, std::uint64_t tenant = 0) {
        for (int i = 0; i < count; ++i) {
            ++sent;
            Verdict verdict;
            LoopLimiter::Done done = [this](const Verdict& later) { note(later); };
            limits->check(limiter->rules().asks(route, {.key = key, .tenant = tenant}, nullptr), verdict, done);
            if (verdict.answer != Answer::kPending) note(verdict);
        }
    }
    void note(const Verdict& verdict) {
        last = verdict;
        ++(verdict.answer == Answer::kAllowed ? allowed : denied);
    }
    [[nodiscard]] bool settled() {
        return driver.until([&] { return allowed + denied == sent; });
    }
    const LimitCounters& counters() const { return limiter->counters(); }

    testing::LoopDriver driver;
    SystemRandom random;
    store::RedisCounters redis_counters;
    std::unique_ptr<RateLimiter> limiter;
    RouteRules route;
    std::unique_ptr<store::Redis> redis;
    std::unique_ptr<LoopLimiter> limits;
    int sent = 0;
    int allowed = 0;
    int denied = 0;
    Verdict last;
};

// Slow enough that nothing comes back within a test.
constexpr Rate kHundred{100, hours(10), 100};

TEST(LoopLimiter, WithoutRedisItAnswersAtOnceAndExactly) {
    testing::LoopDriver driver;
    SystemRandom random;
    const auto limiter = Node::make(kHundred, {}, driver.clock(), random);
    LoopLimiter limits(*limiter, driver.loop(), nullptr, {});
    const RouteRules route = limiter->rules().of_route("f", "r").value();
    int allowed = 0;
    for (int i = 0; i < 150; ++i) {
        Verdict verdict;
        LoopLimiter::Done never = [](const Verdict&) { ADD_FAILURE(); };
        limits.check(limiter->rules().asks(route, {.key = 1}, nullptr), verdict, never);
        ASSERT_NE(verdict.answer, Answer::kPending);
        allowed += verdict.answer == Answer::kAllowed ? 1 : 0;
    }
    EXPECT_EQ(allowed, 100);
    EXPECT_FALSE(limiter->degraded());
}

TEST(LoopLimiter, FourLoopsThatShareALimitAdmitExactlyTheLimit) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    for (const std::uint32_t lease_max : {64U, 0U}) {
        const Rate rate{1000, hours(1000), 1000};
        server->command({"FLUSHALL"});
        std::atomic<int> allowed{0};
        std::atomic<std::uint64_t> calls{0};
        std::vector<std::jthread> loops;
        for (int t = 0; t < 4; ++t) {
            loops.emplace_back([&] {
                Node node(rate, server->port(), {.lease_max = lease_max});
                ASSERT_TRUE(node.connect());
                for (int turn = 0; turn < 100; ++turn) {
                    node.send(5);
                    node.driver.loop().turn(milliseconds(1));
                }
                ASSERT_TRUE(node.settled());
                allowed += node.allowed;
                node.limits->stop();
                calls += node.counters().redis_batches.value();
                EXPECT_EQ(node.counters().redis_failures.value(), 0U);
            });
        }
        loops.clear();
        if (lease_max == 0) {
            EXPECT_EQ(allowed, 1000);  // Exact at every moment: nothing is ever withheld.
        }
        EXPECT_LE(allowed, 1000) << lease_max;
        EXPECT_LE(calls, 4 * 101U) << lease_max;  // At most one a turn and loop, and the last that gives back.
        // What was held by one while the others were denied is there once it has been given back.
        Node last(rate, server->port(), {.lease_max = 0});
        ASSERT_TRUE(last.connect());
        ASSERT_TRUE(last.driver.until([&] {
            last.send(10);
            return last.settled() && last.denied > 0;
        }));
        EXPECT_EQ(allowed + last.allowed, 1000) << lease_max;
    }
}

TEST(LoopLimiter, AHotKeyCostsFewRoundTripsAndAFloodingOneNone) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node({5000, hours(1000), 5000}, server->port(), {.lease_max = 64, .lease_hold = hours(1)});
    ASSERT_TRUE(node.connect());
    for (int i = 0; i < 3000; ++i) {
        node.send(1);
        ASSERT_TRUE(node.settled());
    }
    EXPECT_EQ(node.allowed, 3000);
    EXPECT_LE(node.counters().redis_batches.value(), 3000U / 64 + 16);
    // To the end: the blocks shrink, and not one permit is lost or made.
    for (int i = 0; i < 2100; ++i) {
        node.send(1);
        ASSERT_TRUE(node.settled());
    }
    EXPECT_EQ(node.allowed, 5000);
    EXPECT_EQ(node.counters().permits_taken.value(), 5000U);
    const auto calls = node.counters().redis_batches.value();
    node.send(5000);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 5000);
    EXPECT_EQ(node.counters().redis_batches.value(), calls);
    EXPECT_EQ(node.last.answer, Answer::kDenied);
    EXPECT_GT(node.last.retry_after_ns(), 0);
}

TEST(LoopLimiter, RequestsOfOneTurnAreOneCallAndOneWrite) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node(kHundred, server->port());
    ASSERT_TRUE(node.connect());
    node.send(1);  // The script is known from here.
    ASSERT_TRUE(node.settled());
    const auto writes = node.redis_counters.writes.load();
    for (std::uint64_t key = 10; key < 60; ++key) node.send(3, key);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 151);
    EXPECT_EQ(node.counters().redis_batches.value(), 2U);
    EXPECT_EQ(node.redis_counters.writes - writes, 1U);
    // 200 keys: four calls, still one write.
    for (std::uint64_t key = 1000; key < 1200; ++key) node.send(1, key);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.counters().redis_batches.value(), 6U);
    EXPECT_EQ(node.redis_counters.writes - writes, 2U);
    EXPECT_EQ(node.allowed, 351);
}

TEST(LoopLimiter, UnusedPermitsGoBackWhenTheLeaseIsOverAndWhenTheServerStops) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const Rate rate{1000, hours(1000), 1000};
    auto first =
        std::make_unique<Node>(rate, server->port(), LeaseOptions{.lease_max = 64, .lease_hold = milliseconds(400)});
    ASSERT_TRUE(first->connect());
    const auto heat = [](Node& node, int count) {
        for (int i = 0; i < count; ++i) {
            node.send(1);
            ASSERT_TRUE(node.settled());
        }
    };
    heat(*first, 100);
    ASSERT_GT(first->counters().permits_taken.value(), 100U);  // Something is held.
    ASSERT_TRUE(first->driver.until(
        [&] { return first->counters().permits_taken.value() - first->counters().permits_returned.value() == 100; }));
    heat(*first, 100);
    first->limits->stop();
    first->limits.reset();
    first->redis.reset();
    // All that was not spent is there for another.
    Node second(rate, server->port());
    ASSERT_TRUE(second.connect());
    ASSERT_TRUE(second.driver.until([&] {
        second.send(100);
        return second.settled() && second.denied > 0;
    }));
    EXPECT_EQ(second.allowed, 800);
}

TEST(LoopLimiter, ARequestThatOneRuleDeniesIsNotChargedToTheOthersForGood) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    std::vector<LimitRule> more{{.name = "tenant", .per = Per::kTenant, .rate = {10, hours(10), 10}}};
    Node node(kHundred, server->port(), {.lease_hold = milliseconds(100)}, seconds(60), more);
    ASSERT_TRUE(node.connect());
    node.send(50, 1, 77);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 10);
    EXPECT_EQ(node.denied, 40);
    // Ninety are left for the key elsewhere, once what was fetched for the refused has gone back.
    ASSERT_TRUE(node.driver.until([&] { return node.counters().permits_returned.value() == 40; }));
    node.send(150, 1, 0);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 100);
    EXPECT_EQ(node.denied, 100);
}

TEST(LoopLimiter, ARuleInShadowIsCountedAndRefusesNobody) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    std::vector<LimitRule> more{{.name = "quiet", .per = Per::kTenant, .rate = {10, hours(10), 10}, .shadow = true}};
    Node node(kHundred, server->port(), {}, seconds(60), more);
    ASSERT_TRUE(node.connect());
    node.send(50, 1, 77);
    ASSERT_TRUE(node.settled());
    node.send(50, 1, 77);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 100);
    EXPECT_EQ(node.counters().shadow_denied.value(), 90U);
    EXPECT_EQ(node.counters().denied_by_rule[0]->value(), 90U);
    EXPECT_EQ(node.counters().denied.value(), 0U);
}

TEST(LoopLimiter, KilledAndRestartedRedisIsReplacedAtOnceAndUsedAgainWithoutAFreshBurst) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node(kHundred, server->port(), {.lease_max = 0});
    std::vector<std::string> told;
    node.limiter->on_degraded(
        [&](bool degraded, const std::string& reason) { told.push_back(degraded ? reason : "back"); });
    ASSERT_TRUE(node.connect());
    node.send(60);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 60);
    server->kill();
    ASSERT_TRUE(node.driver.until([&] { return !node.redis->connected(); }));
    ASSERT_TRUE(node.limiter->degraded());
    EXPECT_NE(node.limiter->degraded()->reason, "");
    EXPECT_GT(node.limiter->degraded()->since, 1'600'000'000'000);
    // At once, and the process remembers what it has admitted.
    const int before = node.sent;
    node.send(100);
    EXPECT_EQ(node.allowed + node.denied, before + 100);
    EXPECT_EQ(node.allowed, 100);
    EXPECT_EQ(node.counters().decided_degraded.value(), 100U);
    ASSERT_TRUE(server->restart());
    ASSERT_TRUE(node.driver.until([&] { return !node.limiter->degraded(); }));
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1], "back");
    node.send(1, 2);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.counters().decided_redis.value(), 61U);
}

TEST(LoopLimiter, ASlowRedisDelaysRequestsByItsTimeLimitOnceAndNobodyElse) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    constexpr Duration kLimit = seconds(1);  // A reply that comes takes far less, also on a busy machine.
    Node node(kHundred, server->port(), {}, kLimit);
    ASSERT_TRUE(node.connect());
    node.send(1, 9);
    ASSERT_TRUE(node.settled());
    server->freeze();
    const SteadyTime begin = node.driver.clock().now();
    node.send(10);
    ASSERT_TRUE(node.settled());
    EXPECT_GE(node.driver.clock().now() - begin, kLimit);
    EXPECT_EQ(node.allowed, 11);
    EXPECT_EQ(node.counters().decided_degraded.value(), 10U);
    ASSERT_TRUE(node.limiter->degraded());
    const int before = node.allowed + node.denied;
    node.send(100);
    EXPECT_EQ(node.allowed + node.denied, before + 100);
    EXPECT_EQ(node.allowed, 101);  // One of the other key.
    node.driver.turn_for(milliseconds(400));
    server->thaw();
    ASSERT_TRUE(node.driver.until([&] { return !node.limiter->degraded(); }));
    EXPECT_EQ(node.redis_counters.disconnects, 0U);
    node.send(1, 3);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.counters().decided_degraded.value(), 110U);
}

TEST(LoopLimiter, AFullRedisIsLeftForASecondAtATime) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node(kHundred, server->port());
    ASSERT_TRUE(node.connect());
    server->fill();
    const SteadyTime begin = node.driver.clock().now();
    node.send(30);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 30);
    ASSERT_TRUE(node.limiter->degraded());
    EXPECT_NE(node.limiter->degraded()->reason.find("OOM"), std::string::npos) << node.limiter->degraded()->reason;
    node.send(100);
    EXPECT_EQ(node.allowed, 100);
    const auto passed = static_cast<std::uint64_t>((node.driver.clock().now() - begin) / seconds(1));
    EXPECT_LE(node.counters().redis_batches.value(), 1 + passed);
    EXPECT_GE(node.counters().redis_batches.value(), 1U);
    server->command({"CONFIG", "SET", "maxmemory", "0"});
    ASSERT_TRUE(node.driver.until([&] {
        node.send(1, 2);
        return node.settled() && !node.limiter->degraded();
    }));
}

TEST(LoopLimiter, OverItsBoundsItDecidesInProcessAndCounts) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node(kHundred, server->port(), {.lease_keys_max = 10});
    ASSERT_TRUE(node.connect());
    for (std::uint64_t key = 1; key <= 25; ++key) node.send(1, key);
    ASSERT_TRUE(node.settled());
    EXPECT_EQ(node.allowed, 25);
    EXPECT_EQ(node.counters().overflows.value(), 15U);
    Node narrow(kHundred, server->port(), {.waiting_max = 4});
    ASSERT_TRUE(narrow.connect());
    narrow.send(10, 99);
    ASSERT_TRUE(narrow.settled());
    EXPECT_EQ(narrow.allowed, 10);
    EXPECT_EQ(narrow.counters().overflows.value(), 6U);
}

TEST(LoopLimiter, PermitsComeBackWithTimeAsTheRateSays) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    Node node({50, seconds(1), 50}, server->port());
    ASSERT_TRUE(node.connect());
    const SteadyTime begin = node.driver.clock().now();
    Duration held_up{};  // By the machine: what would have come back then may have found a full bucket.
    while (node.driver.clock().now() - begin < seconds(2)) {
        const SteadyTime turn = node.driver.clock().now();
        node.send(3);
        ASSERT_TRUE(node.settled());
        node.driver.loop().turn(milliseconds(1));
        const Duration took = node.driver.clock().now() - turn;
        if (took > milliseconds(100)) held_up += took;
    }
    // Redis' clock and ours run at the same speed; the wait after a denial costs a round trip a permit at most.
    const Duration passed = node.driver.clock().now() - begin;
    EXPECT_LE(node.allowed, 50 + 50 * passed / seconds(1) + 1);
    EXPECT_GE(node.allowed, (50 + 50 * (passed - held_up) / seconds(1)) * 7 / 10);
}

}  // namespace
}  // namespace tidegate::limits
