// The connection to a real redis-server: pipelines, scripts, time limits, faults and return.
#include "store/redis.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "store/redis_counters.h"
#include "support/loop_driver.h"
#include "support/redis_server.h"

namespace tidegate::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::RedisServer;
using Words = std::vector<std::string_view>;
using Outcome = std::optional<Result<RedisReply>>;

class RedisTest : public ::testing::Test {
  protected:
    std::unique_ptr<Redis> connect(RedisOptions options, runtime::WorkerPool* resolver = nullptr) {
        return connect_redis(driver_.loop(), options, counters_, resolver);
    }
    /// Time limits wide enough for a machine that does other things as well.
    static RedisOptions options_for(const RedisServer& server) {
        return {.port = server.port(), .connect_max = seconds(20), .command_max = seconds(60)};
    }
    bool wait_for(const Redis& redis, bool connected) {
        return driver_.until([&] { return redis.connected() == connected; });
    }
    Result<RedisReply> ask(Redis& redis, const Words& words) {
        Outcome outcome;
        redis.command(words, [&](Result<RedisReply> reply) { outcome = std::move(reply); });
        EXPECT_TRUE(driver_.until([&] { return outcome.has_value(); }));
        return std::move(outcome).value_or(fail(ErrorCode::kInternal, "no reply"));
    }

    testing::LoopDriver driver_;
    RedisCounters counters_;
};

TEST_F(RedisTest, ATurnsCommandsLeaveInOneWriteAndAreAnsweredInOrder) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    ASSERT_TRUE(wait_for(*redis, true));
    EXPECT_EQ(redis->trouble(), "");
    const std::uint64_t writes = counters_.writes;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 100; ++i) {
        redis->command(Words{"INCR", "n"}, [&](Result<RedisReply> reply) {
            ASSERT_TRUE(reply) << reply.error().message;
            values.push_back(reply->integer);
        });
    }
    ASSERT_TRUE(driver_.until([&] { return values.size() == 100; }));
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(counters_.writes - writes, 1U);
    EXPECT_EQ(counters_.commands, 100U);
    EXPECT_EQ(counters_.replies, 100U);
}

TEST_F(RedisTest, BinaryAndLargeValuesComeBackAsTheyWere) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    ASSERT_TRUE(wait_for(*redis, true));
    std::string value;
    for (std::size_t i = 0; i < 8'000'000; ++i) value.push_back(static_cast<char>(i * 131));
    ASSERT_TRUE(ask(*redis, {"SET", "big", value}));
    const auto reply = ask(*redis, {"GET", "big"});
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_TRUE(reply->text == value);
    const auto nothing = ask(*redis, {"GET", "none"});
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->kind, RedisReply::Kind::kNil);
}

TEST_F(RedisTest, AReplyOverTheLimitEndsTheConnectionAndItComesBack) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.reply_bytes_max = 10'000;
    const auto redis = connect(options);
    ASSERT_TRUE(wait_for(*redis, true));
    ASSERT_TRUE(ask(*redis, {"SETRANGE", "big", "20000", "x"}));
    const auto reply = ask(*redis, {"GET", "big"});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(counters_.disconnects, 1U);
    ASSERT_TRUE(wait_for(*redis, true));
    EXPECT_TRUE(ask(*redis, {"PING"}));
}

TEST_F(RedisTest, AScriptIsSentWholeOnceAndAgainWhenTheServerForgotIt) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    ASSERT_TRUE(wait_for(*redis, true));
    const RedisScript script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
    std::vector<std::int64_t> values;
    const auto run_some = [&](int count) {
        const std::size_t before = values.size();
        for (int i = 0; i < count; ++i) {
            const std::string argument = std::to_string(i);
            redis->run(script, Words{"{a}n"}, Words{argument}, [&, argument](Result<RedisReply> reply) {
                ASSERT_TRUE(reply) << reply.error().message;
                ASSERT_EQ(reply->items.size(), 3U);
                EXPECT_EQ(reply->items[0].text, "{a}n");
                EXPECT_EQ(reply->items[1].text, argument);
                values.push_back(reply->items[2].integer);
            });
        }
        ASSERT_TRUE(driver_.until([&] { return values.size() == before + static_cast<std::size_t>(count); }));
    };
    run_some(50);
    EXPECT_EQ(counters_.scripts_sent, 1U);  // Of fifty calls in one write the first carried the source.
    run_some(50);
    EXPECT_EQ(counters_.scripts_sent, 1U);
    ASSERT_TRUE(ask(*redis, {"SCRIPT", "FLUSH"}));
    run_some(50);
    EXPECT_EQ(counters_.scripts_sent, 2U);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(counters_.error_replies, 0U);
}

TEST_F(RedisTest, PasswordUserAndDatabaseAreTakenAndAWrongPasswordIsNeverConnected) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start({"--requirepass", "open sesame"});
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.password = "open sesame";
    options.database = 3;
    const auto redis = connect(options);
    ASSERT_TRUE(wait_for(*redis, true));
    ASSERT_TRUE(ask(*redis, {"SET", "here", "1"}));
    EXPECT_NE(server->command({"INFO", "keyspace"}).find("db3:keys=1"), std::string::npos);
    server->command({"ACL", "SETUSER", "gate", "on", ">word", "+@all", "~*"});
    options.username = "gate";
    options.password = "word";
    const auto by_user = connect(options);
    ASSERT_TRUE(wait_for(*by_user, true));
    EXPECT_EQ(ask(*by_user, {"ACL", "WHOAMI"}).value().text, "gate");
    options.password = "wrong";
    const auto refused = connect(options);
    ASSERT_TRUE(driver_.until([&] { return counters_.connects_failed >= 2; }));
    EXPECT_FALSE(refused->connected());
    EXPECT_NE(refused->trouble().find("WRONGPASS"), std::string::npos) << refused->trouble();
    EXPECT_EQ(refused->trouble().find("wrong"), std::string::npos);
}

TEST_F(RedisTest, WithoutAServerCommandsFailAtOnceAndItIsFoundOnceItIsThere) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    server->kill();
    const auto redis = connect(options_for(*server));
    std::vector<bool> states;
    redis->on_state([&](bool connected) { states.push_back(connected); });
    ASSERT_TRUE(driver_.until([&] { return counters_.connects_failed >= 2; }));
    bool answered = false;
    redis->command(Words{"PING"}, [&](Result<RedisReply> reply) {
        answered = true;
        EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
    });
    EXPECT_TRUE(answered);
    EXPECT_EQ(counters_.refused, 1U);
    ASSERT_TRUE(server->restart());
    ASSERT_TRUE(wait_for(*redis, true));
    EXPECT_EQ(states, (std::vector<bool>{true}));
    EXPECT_TRUE(ask(*redis, {"PING"}));
}

TEST_F(RedisTest, AKilledServerFailsWhatIsUnderWayOnceEachAndIsFoundAgain) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    std::vector<bool> states;
    redis->on_state([&](bool connected) { states.push_back(connected); });
    ASSERT_TRUE(wait_for(*redis, true));
    server->freeze();
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
        redis->command(Words{"PING"}, [&](Result<RedisReply> reply) {
            ASSERT_FALSE(reply);
            EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
            ++failed;
        });
    }
    driver_.loop().turn(milliseconds(1));
    server->kill();
    ASSERT_TRUE(driver_.until([&] { return failed == 20; }));
    EXPECT_FALSE(redis->connected());
    EXPECT_EQ(counters_.broken, 20U);
    EXPECT_EQ(counters_.connected, 0U);
    ASSERT_TRUE(server->restart());
    ASSERT_TRUE(wait_for(*redis, true));
    EXPECT_EQ(states, (std::vector<bool>{true, false, true}));
    EXPECT_TRUE(ask(*redis, {"PING"}));
    EXPECT_EQ(failed, 20);
}

TEST_F(RedisTest, ASlowServerIsGivenUpInTimeItsLateRepliesAreDroppedAndItIsUsedAgainWhenItIsFast) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.command_max = milliseconds(50);
    options.connect_max = seconds(10);
    const auto redis = connect(options);
    ASSERT_TRUE(wait_for(*redis, true));
    server->freeze();
    const SteadyTime begin = driver_.clock().now();
    std::vector<Result<RedisReply>> replies;
    for (int i = 0; i < 3; ++i) {
        redis->command(Words{"INCR", "n"}, [&](Result<RedisReply> reply) { replies.push_back(std::move(reply)); });
    }
    ASSERT_TRUE(driver_.until([&] { return replies.size() == 3; }));
    EXPECT_GE(driver_.clock().now() - begin, milliseconds(50));
    for (const auto& reply : replies) EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
    EXPECT_FALSE(redis->connected());
    EXPECT_NE(redis->trouble(), "");
    EXPECT_EQ(counters_.timed_out, 3U);
    // Nobody else waits.
    bool answered = false;
    redis->command(Words{"PING"}, [&](Result<RedisReply> reply) { answered = !reply; });
    EXPECT_TRUE(answered);
    server->thaw();
    ASSERT_TRUE(wait_for(*redis, true));
    EXPECT_EQ(counters_.late_replies, 3U);
    EXPECT_EQ(counters_.disconnects, 0U);  // The same connection.
    EXPECT_EQ(replies.size(), 3U);
    // Again where the machine holds a reply up for longer than the limit.
    std::string value;
    ASSERT_TRUE(driver_.until([&] {
        const auto reply = ask(*redis, {"GET", "n"});
        if (reply) value = reply->text;
        return reply.has_value();
    }));
    EXPECT_EQ(value, "3");
}

TEST_F(RedisTest, AServerThatSaysNothingAnyMoreIsLeftAfterTheConnectLimit) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.command_max = milliseconds(50);
    options.connect_max = milliseconds(300);
    const auto redis = connect(options);
    ASSERT_TRUE(wait_for(*redis, true));
    server->freeze();
    redis->command(Words{"PING"}, [](Result<RedisReply>) {});
    // The kernel still accepts for a frozen process; the greeting is not answered.
    ASSERT_TRUE(driver_.until([&] { return counters_.disconnects == 1 && counters_.connects_failed >= 1; }));
    server->thaw();
    ASSERT_TRUE(wait_for(*redis, true));
}

TEST_F(RedisTest, AFullServerRefusesWritesAsUnavailableAndStillReads) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    ASSERT_TRUE(wait_for(*redis, true));
    ASSERT_TRUE(ask(*redis, {"SET", "a", "1"}));
    server->fill();
    const auto refused = ask(*redis, {"SET", "b", "1"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(ask(*redis, {"GET", "a"}).value().text, "1");
    EXPECT_EQ(counters_.error_replies, 1U);
}

TEST_F(RedisTest, MoreThanTheCommandsAllowedFailAtOnce) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.commands_max = 10;
    const auto redis = connect(options);
    ASSERT_TRUE(wait_for(*redis, true));
    int answered = 0;
    int refused = 0;
    for (int i = 0; i < 15; ++i) {
        redis->command(Words{"PING"}, [&](Result<RedisReply> reply) { ++(reply ? answered : refused); });
    }
    EXPECT_EQ(refused, 5);
    ASSERT_TRUE(driver_.until([&] { return answered == 10; }));
}

TEST_F(RedisTest, DestroyingTheConnectionFailsWhatIsUnderWay) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    auto redis = connect(options_for(*server));
    ASSERT_TRUE(wait_for(*redis, true));
    Outcome outcome;
    redis->command(Words{"PING"}, [&](Result<RedisReply> reply) { outcome = std::move(reply); });
    redis.reset();
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(*outcome);
    EXPECT_EQ(counters_.connected, 0U);
    driver_.loop().turn(Duration::zero());
}

TEST_F(RedisTest, MessagesArriveAndWhatMayHaveBeenMissedIsTold) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    const auto redis = connect(options_for(*server));
    std::vector<std::string> heard;
    int lost = 0;
    redis->subscribe("news", [&](std::string_view message) { heard.emplace_back(message); }, [&] { ++lost; });
    ASSERT_TRUE(driver_.until([&] { return lost == 1; }));  // Subscribed: what was said before was not heard.
    ASSERT_TRUE(wait_for(*redis, true));
    ASSERT_TRUE(ask(*redis, {"PUBLISH", "news", "one"}));
    ASSERT_TRUE(ask(*redis, {"PUBLISH", "other", "no"}));
    ASSERT_TRUE(ask(*redis, {"PUBLISH", "news", "two"}));
    ASSERT_TRUE(driver_.until([&] { return heard.size() == 2; }));
    EXPECT_EQ(heard, (std::vector<std::string>{"one", "two"}));
    server->kill();
    ASSERT_TRUE(driver_.until([&] { return lost == 2; }));
    EXPECT_EQ(counters_.subscriptions_lost, 1U);
    ASSERT_TRUE(server->restart());
    ASSERT_TRUE(driver_.until([&] { return lost == 3 && redis->connected(); }));
    ASSERT_TRUE(ask(*redis, {"PUBLISH", "news", "three"}));
    ASSERT_TRUE(driver_.until([&] { return heard.size() == 3; }));
}

TEST_F(RedisTest, ASubscriptionWhosePeerVanishedIsNoticed) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.connect_max = seconds(1);
    const auto redis = connect(options);
    int lost = 0;
    redis->subscribe("news", [](std::string_view) {}, [&] { ++lost; });
    ASSERT_TRUE(driver_.until([&] { return lost >= 1; }));
    server->freeze();
    const SteadyTime begin = driver_.clock().now();
    const int before = lost;
    ASSERT_TRUE(driver_.until([&] { return lost > before; }));
    EXPECT_LT(driver_.clock().now() - begin, seconds(15));  // 2 s on a machine that does nothing else.
    server->thaw();
    const int frozen = lost;
    ASSERT_TRUE(driver_.until([&] { return lost > frozen; }));
}

TEST_F(RedisTest, ANameIsLookedUpOnThePoolAndRefusedWithoutOne) {
    NEED_REDIS_SERVER();
    const auto server = RedisServer::start();
    ASSERT_NE(server, nullptr);
    RedisOptions options = options_for(*server);
    options.host = "no-such-host.invalid";
    runtime::WorkerPool pool("names", 1, 8);
    const auto without = connect(options);
    EXPECT_NE(without->trouble().find("looks names up"), std::string::npos) << without->trouble();
    const auto unknown = connect(options, &pool);
    ASSERT_TRUE(driver_.until([&] { return unknown->trouble().find("not known") != std::string::npos; }));
    options.host = "localhost";
    const auto found = connect(options);
    ASSERT_TRUE(wait_for(*found, true));
}

}  // namespace
}  // namespace tidegate::store
