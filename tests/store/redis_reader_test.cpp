// Replies read in any pieces and within bounds; what a Redis is reached by; the name of a script.
#include "store/redis_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "store/redis_counters.h"

namespace tidegate::store {
namespace {

using Kind = RedisReply::Kind;

TEST(RedisReader, RepliesAreTheSameHoweverTheBytesAreCut) {
    const std::string bytes = "+PONG\r\n:-42\r\n$5\r\nab\r\nc\r\n$-1\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n*-1\r\n";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        RedisReader reader(1024, 16);
        std::vector<RedisReply> replies;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            reader.feed(std::string_view(bytes).substr(at, piece));
            for (;;) {
                auto next = reader.next();
                ASSERT_TRUE(next);
                if (!*next) break;
                ASSERT_TRUE((*next)->has_value());
                replies.push_back(***next);
            }
        }
        ASSERT_EQ(replies.size(), 5U) << piece;
        EXPECT_EQ(replies[0].text, "PONG");
        EXPECT_EQ(replies[1].kind, Kind::kInteger);
        EXPECT_EQ(replies[1].integer, -42);
        EXPECT_EQ(replies[2].text, "ab\r\nc");
        EXPECT_EQ(replies[3].kind, Kind::kNil);
        ASSERT_EQ(replies[4].items.size(), 3U);
        EXPECT_EQ(replies[4].items[1].items[0].text, "x");
        EXPECT_EQ(replies[4].items[1].items[1].kind, Kind::kText);
        EXPECT_EQ(replies[4].items[2].kind, Kind::kNil);
    }
}

TEST(RedisReader, AnErrorReplyIsAnErrorAlsoInsideAnArrayAndTheNextReplyIsReadAllTheSame) {
    RedisReader reader(1024, 16);
    reader.feed("-WRONGTYPE no\r\n*2\r\n:1\r\n-OOM full\r\n:7\r\n");
    auto first = reader.next();
    ASSERT_TRUE(first && *first && !(**first).has_value());
    EXPECT_EQ((**first).error().message, "Redis: WRONGTYPE no");
    EXPECT_EQ((**first).error().code, ErrorCode::kInternal);
    auto second = reader.next();
    ASSERT_TRUE(second && *second && !(**second).has_value());
    EXPECT_EQ((**second).error().code, ErrorCode::kUnavailable);
    auto third = reader.next();
    ASSERT_TRUE(third && *third && (**third).has_value());
    EXPECT_EQ((***third).integer, 7);
}

TEST(RedisReader, WhatIsOverABoundOrNoReplyEndsTheReading) {
    const std::vector<std::pair<std::string, ErrorCode>> cases{
        {"$101\r\n" + std::string(100, 'x'), ErrorCode::kTooLarge},  // Refused before it is whole.
        {"*2\r\n$60\r\n" + std::string(60, 'x') + "\r\n$60\r\n" + std::string(60, 'x') + "\r\n", ErrorCode::kTooLarge},
        {"*17\r\n", ErrorCode::kTooLarge},
        {"*2147483647\r\n", ErrorCode::kTooLarge},
        {"*9\r\n*9\r\n", ErrorCode::kTooLarge},  // 18 together.
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", ErrorCode::kDataLoss},
        {"HTTP/1.1 400 Bad Request\r\n", ErrorCode::kDataLoss},
        {"*99999999999999999999\r\n", ErrorCode::kDataLoss},
    };
    for (const auto& [bytes, code] : cases) {
        RedisReader reader(100, 16);
        reader.feed(bytes);
        const auto next = reader.next();
        ASSERT_FALSE(next) << bytes.substr(0, 20);
        EXPECT_EQ(next.error().code, code) << bytes.substr(0, 20) << ": " << next.error().message;
        // And it stays so, until the next connection.
        reader.feed(":1\r\n");
        EXPECT_FALSE(reader.next());
        reader.reset();
        reader.feed(":1\r\n");
        EXPECT_TRUE(reader.next());
    }
}

TEST(RedisReader, ManyRepliesUnderTheBoundAreNotCountedTogether) {
    RedisReader reader(100, 4);
    for (int i = 0; i < 50; ++i) {
        reader.feed("*3\r\n$60\r\n" + std::string(60, 'x') + "\r\n:1\r\n:2\r\n");
        auto next = reader.next();
        ASSERT_TRUE(next && *next && (**next).has_value());
    }
}

TEST(RedisCommand, WordsAreSentWithTheirLengths) {
    std::string out;
    append_command(out, std::vector<std::string_view>{"SET", "k", std::string_view("a\0\r\n", 4)});
    EXPECT_EQ(out, std::string("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n", 30));
}

TEST(RedisScript, IsNamedByItsSha1) {
    EXPECT_EQ(RedisScript("return 1").sha1(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

TEST(RedisMetrics, SayWhatWasCounted) {
    RedisCounters counters;
    observe::Registry registry;
    declare_metrics(registry, counters);
    counters.connected = 2;
    counters.timed_out = 3;
    counters.disconnects = 4;
    counters.writes = 5;
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    for (const std::string_view line :
         {"tidegate_redis_connected 2\n", "tidegate_redis_commands_total{outcome=\"timed_out\"} 3\n",
          "tidegate_redis_connections_total{what=\"lost\"} 4\n", "tidegate_redis_writes_total 5\n"}) {
        EXPECT_NE(text.find(line), std::string::npos) << line;
    }
}

TEST(RedisUrl, EveryPartIsRead) {
    const auto full = parse_redis_url("redis://gate:p%40s%2Fs@cache.example:6380/3");
    ASSERT_TRUE(full) << full.error().message;
    EXPECT_EQ(full->username, "gate");
    EXPECT_EQ(full->password, "p@s/s");
    EXPECT_EQ(full->host, "cache.example");
    EXPECT_EQ(full->port, 6380);
    EXPECT_EQ(full->database, 3U);
    const auto bare = parse_redis_url("redis://127.0.0.1");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->port, 6379);
    EXPECT_EQ(bare->database, 0U);
    const auto six = parse_redis_url("redis://:word@[::1]:7000/");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->port, 7000);
    EXPECT_EQ(six->password, "word");
    EXPECT_EQ(six->username, "");
}

TEST(RedisUrl, WhatIsWrongIsSaidWithoutThePassword) {
    for (const std::string_view url :
         {"localhost:6379", "rediss://:topsecret@host", "redis://", "redis://:topsecret@host:0",
          "redis://:topsecret@host:65536", "redis://:topsecret@host:x", "redis://:topsecret@host/db",
          "redis://:topsecret@host?x=1", "redis://topsecret@host", "redis://u:@host", "redis://:topsecret@[::1",
          "redis://:topsecret@[::1]x", "redis://:topsecret%zz@host", "redis://:topsecret@ho st"}) {
        const auto options = parse_redis_url(url);
        ASSERT_FALSE(options) << url;
        EXPECT_EQ(options.error().code, ErrorCode::kInvalidArgument);
        EXPECT_EQ(options.error().message.find("topsecret"), std::string::npos) << options.error().message;
    }
}

}  // namespace
}  // namespace tidegate::store
