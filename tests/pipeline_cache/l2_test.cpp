// The second level and the coherence of two processes, as two objects of each on one loop, over a real redis-server.
#include <gtest/gtest.h>

#include "draft.h"
#include "pipeline/cache/coherence.h"
#include "pipeline/cache/second_level.h"
#include "store/redis_counters.h"
#include "support/loop_driver.h"
#include "support/redis_server.h"

namespace tidegate::cache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::RedisServer;

// What one process has.
struct Process {
    Process(testing::LoopDriver& driver, const RedisServer& server, std::uint64_t seed,
            Duration command_max = seconds(60))
        : random(seed),
          redis(
              store::connect_redis(driver.loop(), {.port = server.port(), .command_max = command_max}, redis_counters)),
          coherence(store, counters, random, "t:cache"),
          level(driver.loop(), *redis, store, coherence, pool, driver.clock(), counters, {.prefix = "t:cache"}),
          clock(driver.clock()) {
        coherence.start(driver.loop(), *redis);
    }

    Stored keep(const Key& key, std::string body, std::optional<SharedTicket> ticket = {},
                std::span<const std::uint64_t> tags = {}) {
        const SharedTicket taken = ticket.value_or(level.begin_fill());
        Draft draft = draft_of(std::move(body), 600);
        draft.timing.response_ms = clock.unix_ms();
        draft.tags = tags;
        EntryPtr entry;
        const Stored stored = store.insert(key, draft, taken.ticket, clock.unix_ms(), &entry);
        if (entry) level.keep(key, entry, taken);
        return stored;
    }
    std::string local(const Key& key) { return get(store, key, clock.unix_ms()); }

    SeededRandom random;
    store::RedisCounters redis_counters;
    L2Counters counters;
    ResponseStore store{StoreOptions{}};
    runtime::WorkerPool pool{"test", 1, 16};
    std::unique_ptr<store::Redis> redis;
    Coherence coherence;
    SecondLevel level;
    const Clock& clock;
};

class SecondLevelTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_REDIS_SERVER();
        server_ = RedisServer::start();
        ASSERT_NE(server_, nullptr);
        a_ = std::make_unique<Process>(driver_, *server_, 1);
        b_ = std::make_unique<Process>(driver_, *server_, 2);
        ASSERT_TRUE(both_synced());
    }
    bool both_synced() {
        return driver_.until([&] { return a_->coherence.synced() && b_->coherence.synced(); });
    }
    // What a process gets from Redis: `-` for nothing, `?` when it did not ask.
    std::string fetch(Process& process, const Key& key) {
        std::optional<std::string> got;
        if (!process.level.fetch(key, {}, [&](const EntryPtr& entry) { got = entry ? entry->body() : "-"; }))
            return "?";
        EXPECT_TRUE(driver_.until([&] { return got.has_value(); }));
        return got.value_or("no answer");
    }
    // As keep(), and until Redis has it: a later command on the same connection has been answered.
    Stored share(Process& process, const Key& key, std::string body, std::optional<SharedTicket> ticket = {},
                 std::span<const std::uint64_t> tags = {}) {
        const Stored stored = process.keep(key, std::move(body), ticket, tags);
        EXPECT_EQ(fetch(process, key_of("/nothing here")), "-");
        return stored;
    }
    // Until what was sent has arrived everywhere.
    bool settle(Process& process, std::uint64_t heard) {
        return driver_.until([&] { return process.counters.heard >= heard; });
    }

    testing::LoopDriver driver_;
    std::unique_ptr<RedisServer> server_;
    std::unique_ptr<Process> a_, b_;
    const Key key_ = key_of("/shared");
};

TEST_F(SecondLevelTest, WhatOneProcessKeepsAnotherFindsAndKeeps) {
    EXPECT_EQ(fetch(*b_, key_), "-");
    share(*a_, key_, "from a");
    EXPECT_EQ(fetch(*b_, key_), "from a");
    EXPECT_EQ(b_->local(key_), "from a");
    EXPECT_EQ(b_->counters.hits, 1U);
    EXPECT_EQ(b_->counters.misses, 1U);
    EXPECT_EQ(fetch(*b_, key_of("/other")), "-");
}

TEST_F(SecondLevelTest, ALargeAnswerIsPackedOnThePoolAndComesBackWhole) {
    std::string body;
    for (int i = 0; body.size() < 200'000; ++i) body += std::to_string(i * 7919);
    a_->keep(key_, body);
    ASSERT_TRUE(driver_.until([&] { return a_->counters.writes == 1; }));
    EXPECT_EQ(fetch(*a_, key_of("/nothing here")), "-");
    EXPECT_LT(a_->counters.write_bytes, body.size());
    EXPECT_EQ(fetch(*b_, key_), body);
}

TEST_F(SecondLevelTest, PrivateAndTooLargeAnswersAreNotWritten) {
    Draft draft = draft_of("secret", 600);
    draft.timing.response_ms = driver_.clock().unix_ms();
    draft.flags = kPrivate;
    a_->level.keep(key_, Entry::make(key_, draft), a_->level.begin_fill());
    draft.flags = 0;
    draft.body = shared(std::string(2'000'000, 'x'));
    a_->level.keep(key_, Entry::make(key_, draft), a_->level.begin_fill());
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_EQ(a_->counters.writes_too_large, 1U);
    EXPECT_EQ(a_->counters.writes, 0U);
}

TEST_F(SecondLevelTest, AnAnswerFromAheadOfTheClockIsAMiss) {
    const auto write = [&](const Key& key, UnixMillis ahead_ms) {
        Draft draft = draft_of("from ahead", 600);
        draft.timing.response_ms = driver_.clock().unix_ms() + ahead_ms;
        a_->level.keep(key, Entry::make(key, draft), a_->level.begin_fill());
        EXPECT_EQ(fetch(*a_, key_of("/nothing here")), "-");
    };
    write(key_, 86'400'000);
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_EQ(b_->counters.expired, 1U);
    write(key_of("/near"), 2000);
    EXPECT_EQ(fetch(*b_, key_of("/near")), "from ahead");
}

TEST_F(SecondLevelTest, AnInvalidationReachesMemoryAndRedisOfEveryProcess) {
    const std::uint64_t tag = tag_hash("model:a");
    const auto fill = [&] {
        share(*a_, key_, "old", {}, std::span(&tag, 1));
        EXPECT_EQ(fetch(*b_, key_), "old");
    };
    std::uint64_t heard = 0;
    const std::function<void()> ways[] = {
        [&] { a_->store.erase_tag(tag, 0), a_->coherence.announce_tag(tag); },
        [&] { a_->store.erase_prefix("/sha", 0), a_->coherence.announce_prefix("/sha"); },
        [&] { a_->store.erase(key_, 0), a_->coherence.announce_key(key_); },
        [&] { a_->store.clear(0), a_->coherence.announce_all(); },
    };
    for (const auto& invalidate : ways) {
        fill();
        invalidate();
        ASSERT_TRUE(settle(*b_, ++heard));
        EXPECT_EQ(b_->local(key_), "-");
        EXPECT_EQ(fetch(*b_, key_), "-") << "the bytes are still in Redis, and older than the invalidation";
        ASSERT_TRUE(driver_.until([&] { return a_->coherence.sequence() == b_->coherence.sequence(); }));
        EXPECT_EQ(fetch(*a_, key_), "-");
    }
    EXPECT_EQ(b_->counters.invalidated, 4U);
    fill();
    a_->coherence.announce_tag(tag_hash("model:other"));
    ASSERT_TRUE(settle(*b_, ++heard));
    EXPECT_EQ(b_->local(key_), "old") << "nobody named it";
    EXPECT_EQ(fetch(*b_, key_), "old");
}

TEST_F(SecondLevelTest, AFillThatBeganBeforeAnInvalidationElsewhereIsNotUsed) {
    const std::uint64_t tag = tag_hash("model:a");
    const SharedTicket before = a_->level.begin_fill();
    b_->coherence.announce_tag(tag);
    ASSERT_TRUE(settle(*a_, 1));
    EXPECT_EQ(share(*a_, key_, "old", before, std::span(&tag, 1)), Stored::kInvalidated);
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_EQ(b_->counters.invalidated, 1U);
    share(*a_, key_, "new", {}, std::span(&tag, 1));
    EXPECT_EQ(fetch(*b_, key_), "new");
}

TEST_F(SecondLevelTest, BytesThatDoNotCheckOutAreAMissAndCounted) {
    share(*a_, key_, "good");
    ASSERT_EQ(fetch(*b_, key_), "good");
    std::string names = server_->command({"KEYS", "t:cache:e:*"});
    ASSERT_FALSE(names.empty());
    if (names.back() == '\n') names.pop_back();
    server_->command({"SET", names, "TGC1 not what was written"});
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_EQ(b_->counters.corrupt, 1U);
    server_->command({"DEL", names});
    server_->command({"LPUSH", names, "a list"});
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_EQ(b_->counters.failed, 1U) << "an error reply";
}

TEST_F(SecondLevelTest, AnAnswerUnderTheNameOfAnotherKeyIsNotGiven) {
    share(*a_, key_of("/one"), "one");
    ASSERT_EQ(fetch(*a_, key_of("/one")), "one");
    std::string one = server_->command({"KEYS", "t:cache:e:*"});
    if (one.back() == '\n') one.pop_back();
    share(*a_, key_, "two");
    ASSERT_EQ(fetch(*a_, key_), "two");
    a_->level.forget(key_of("/one"));
    std::string two;
    ASSERT_TRUE(driver_.until(
        [&] { return (two = server_->command({"KEYS", "t:cache:e:*"})).find('\n', 1) + 1 >= two.size(); }));
    if (two.back() == '\n') two.pop_back();
    server_->command({"RENAME", two, one});
    EXPECT_EQ(fetch(*b_, key_of("/one")), "-");
    EXPECT_EQ(b_->counters.corrupt, 1U);
}

TEST_F(SecondLevelTest, WithoutRedisNobodyWaitsAndEverythingIsDroppedOnce) {
    share(*a_, key_, "kept");
    ASSERT_EQ(a_->local(key_), "kept");
    server_->kill();
    ASSERT_TRUE(driver_.until([&] { return !a_->coherence.synced() && !a_->redis->connected(); }));
    EXPECT_EQ(a_->local(key_), "-") << "what others invalidate now is not heard";
    EXPECT_EQ(fetch(*a_, key_), "?");
    EXPECT_GE(a_->counters.skipped, 1U);
    a_->keep(key_, "again");
    EXPECT_EQ(a_->local(key_), "again") << "the first level goes on";
    EXPECT_EQ(a_->counters.writes_dropped, 1U);
    EXPECT_FALSE(a_->level.lease(key_, seconds(1), [](bool) {}));

    // What is invalidated meanwhile is told when Redis is back.
    const std::uint64_t tag = tag_hash("model:a");
    a_->coherence.announce_tag(tag);
    ASSERT_TRUE(server_->restart());
    ASSERT_TRUE(both_synced());
    // The other hears it, or finds it in the log if it listens only now.
    ASSERT_TRUE(driver_.until(
        [&] { return a_->counters.announced == 1 && a_->coherence.sequence() == b_->coherence.sequence(); }));
    EXPECT_EQ(a_->counters.announced_late, 1U);
    share(*a_, key_, "after");
    EXPECT_EQ(fetch(*b_, key_), "after");
}

TEST_F(SecondLevelTest, AFillFromBeforeRedisWasEmptiedIsNotNewerThanInvalidationsAfter) {
    const std::uint64_t tag = tag_hash("model:a");
    for (int i = 0; i < 50; ++i) b_->coherence.announce_tag(tag);
    ASSERT_TRUE(settle(*a_, 50));
    const SharedTicket before = a_->level.begin_fill();
    server_->kill();
    ASSERT_TRUE(driver_.until([&] { return !a_->coherence.synced() && !b_->coherence.synced(); }));
    ASSERT_TRUE(server_->restart());
    ASSERT_TRUE(both_synced());
    b_->coherence.announce_tag(tag);
    ASSERT_TRUE(settle(*a_, 51));
    share(*a_, key_, "old", before, std::span(&tag, 1));
    EXPECT_EQ(fetch(*b_, key_), "-");
}

TEST_F(SecondLevelTest, ASlowRedisCostsOneWait) {
    auto hasty = std::make_unique<Process>(driver_, *server_, 3, milliseconds(50));
    ASSERT_TRUE(driver_.until([&] { return hasty->coherence.synced(); }));
    server_->freeze();
    const SteadyTime before = driver_.clock().now();
    EXPECT_EQ(fetch(*hasty, key_), "-");
    EXPECT_GE(driver_.clock().now() - before, milliseconds(50));
    EXPECT_EQ(hasty->counters.failed, 1U);
    EXPECT_EQ(fetch(*hasty, key_), "?") << "the second is not asked";
    server_->thaw();
}

TEST_F(SecondLevelTest, OneProcessLeadsAndTheOtherGetsItsAnswer) {
    std::optional<bool> a_leads;
    std::optional<bool> b_leads;
    ASSERT_TRUE(a_->level.lease(key_, seconds(60), [&](bool mine) { a_leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return a_leads.has_value(); }));
    ASSERT_TRUE(b_->level.lease(key_, seconds(60), [&](bool mine) { b_leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return b_leads.has_value(); }));
    EXPECT_TRUE(*a_leads);
    EXPECT_FALSE(*b_leads);
    std::optional<std::string> got;
    ASSERT_TRUE(
        b_->level.await(key_, seconds(60), {}, [&](const EntryPtr& entry) { got = entry ? entry->body() : "-"; }));
    driver_.turn_for(milliseconds(150));
    EXPECT_FALSE(got);
    share(*a_, key_, "led");
    a_->level.release(key_);
    ASSERT_TRUE(driver_.until([&] { return got.has_value(); }));
    EXPECT_EQ(*got, "led");
    EXPECT_EQ(b_->counters.lease_waits_served, 1U);
}

TEST_F(SecondLevelTest, WhatOneInvalidatedItDoesNotReadFromRedisFromThatMomentOn) {
    const std::uint64_t tag = tag_hash("model:a");
    share(*a_, key_, "old", {}, std::span(&tag, 1));
    // Asked before the announcement can have left: it may not wait for its own message.
    a_->store.erase_tag(tag, 0);
    a_->coherence.announce_tag(tag);
    EXPECT_EQ(fetch(*a_, key_), "-");
    EXPECT_EQ(a_->local(key_), "-");
    ASSERT_TRUE(settle(*b_, 1));
    share(*a_, key_, "new", {}, std::span(&tag, 1));
    ASSERT_TRUE(driver_.until([&] { return fetch(*a_, key_) == "new"; })) << "and it ends";
}

TEST_F(SecondLevelTest, WhileRedisIsFullInvalidationsAreHeardAndHoldUntilTheyAreNumbered) {
    const std::uint64_t tag = tag_hash("model:a");
    share(*a_, key_, "old", {}, std::span(&tag, 1));
    ASSERT_EQ(fetch(*b_, key_), "old");
    EXPECT_EQ(a_->coherence.trouble(), "");
    server_->fill();
    a_->store.erase_tag(tag, 0);
    a_->coherence.announce_tag(tag);
    ASSERT_TRUE(driver_.until([&] { return b_->local(key_) == "-"; }));
    EXPECT_EQ(fetch(*b_, key_), "-") << "its bytes are in Redis, and no number says that they are too old";
    EXPECT_EQ(fetch(*a_, key_), "-");
    EXPECT_NE(a_->coherence.trouble(), "");
    EXPECT_EQ(a_->counters.announced, 0U);
    server_->command({"CONFIG", "SET", "maxmemory", "0"});
    ASSERT_TRUE(driver_.until([&] { return a_->counters.announced == 1; }));
    EXPECT_EQ(a_->coherence.trouble(), "");
    EXPECT_EQ(fetch(*b_, key_), "-");
    share(*a_, key_, "new", {}, std::span(&tag, 1));
    ASSERT_TRUE(driver_.until([&] { return fetch(*b_, key_) == "new"; }));
}

TEST_F(SecondLevelTest, ALeaseIsHeldUntilALargeAnswerHasBeenPackedAndSent) {
    std::string body;
    for (int i = 0; body.size() < 200'000; ++i) body += std::to_string(i * 7919);
    std::optional<bool> leads;
    ASSERT_TRUE(a_->level.lease(key_, seconds(60), [&](bool mine) { leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return leads.has_value(); }));
    std::optional<std::string> got;
    ASSERT_TRUE(
        b_->level.await(key_, seconds(60), {}, [&](const EntryPtr& entry) { got = entry ? entry->body() : "-"; }));
    a_->keep(key_, body);
    a_->level.release(key_);
    ASSERT_TRUE(driver_.until([&] { return got.has_value(); }));
    EXPECT_EQ(*got, body);
    ASSERT_TRUE(driver_.until([&] { return server_->command({"KEYS", "t:cache:l:*"}).empty(); }));
}

TEST_F(SecondLevelTest, WhoWaitsWhenTheLevelGoesHearsNothingAndLeavesNothingBehind) {
    std::optional<bool> leads;
    ASSERT_TRUE(a_->level.lease(key_, seconds(60), [&](bool mine) { leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return leads.has_value(); }));
    const auto held = std::make_shared<int>(0);
    int heard = 0;
    b_->level.await(key_, seconds(60), {}, [held, &heard](const EntryPtr&) { ++heard; });
    b_->level.fetch(key_, {}, [held, &heard](const EntryPtr&) { ++heard; });
    b_.reset();
    EXPECT_EQ(heard, 0);
    EXPECT_EQ(held.use_count(), 1);
}

TEST_F(SecondLevelTest, WhatWasAnnouncedBeforeTheStartIsTold) {
    L2Counters counters;
    SeededRandom random(5);
    ResponseStore store{StoreOptions{}};
    Coherence early(store, counters, random, "t:cache");
    share(*a_, key_, "old");
    early.announce_prefix("/");
    early.start(driver_.loop(), *b_->redis);
    ASSERT_TRUE(driver_.until([&] { return a_->local(key_) == "-"; }));
    early.stop();
    EXPECT_FALSE(early.synced());
    early.announce_all();
    driver_.turn_for(milliseconds(20));
    EXPECT_EQ(counters.announced, 1U);
}

TEST_F(SecondLevelTest, ALeaseThatEndsWithoutAnAnswerAndOneThatTakesTooLongFreeWhoWaits) {
    std::optional<bool> leads;
    ASSERT_TRUE(a_->level.lease(key_, seconds(60), [&](bool mine) { leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return leads.has_value(); }));
    std::optional<std::string> short_wait;
    std::optional<std::string> long_wait;
    b_->level.await(key_, milliseconds(100), {},
                    [&](const EntryPtr& entry) { short_wait = entry ? entry->body() : "-"; });
    b_->level.await(key_, seconds(60), {}, [&](const EntryPtr& entry) { long_wait = entry ? entry->body() : "-"; });
    ASSERT_TRUE(driver_.until([&] { return short_wait.has_value(); }));
    EXPECT_EQ(*short_wait, "-");
    EXPECT_FALSE(long_wait);
    a_->level.release(key_);
    ASSERT_TRUE(driver_.until([&] { return long_wait.has_value(); }));
    EXPECT_EQ(*long_wait, "-");
    leads.reset();
    ASSERT_TRUE(b_->level.lease(key_, seconds(60), [&](bool mine) { leads = mine; }));
    ASSERT_TRUE(driver_.until([&] { return leads.has_value(); }));
    EXPECT_TRUE(*leads);
    a_->level.release(key_);
    driver_.turn_for(milliseconds(50));
    EXPECT_NE(server_->command({"KEYS", "t:cache:l:*"}), "") << "another's lease is not released";
}

TEST_F(SecondLevelTest, MoreAnnouncementsThanMayWaitBecomeOneForEverything) {
    share(*a_, key_, "old");
    ASSERT_EQ(fetch(*b_, key_), "old");
    for (std::size_t i = 0; i < Coherence::kWaitingMax + 1000; ++i) a_->coherence.announce_tag(i + 1);
    ASSERT_TRUE(driver_.until([&] { return b_->local(key_) == "-"; }));
    EXPECT_EQ(fetch(*b_, key_), "-");
    EXPECT_LT(a_->counters.announced, Coherence::kWaitingMax);
    a_->coherence.announce_tag(1);
    const std::uint64_t announced = a_->counters.announced;
    ASSERT_TRUE(driver_.until([&] { return a_->counters.announced > announced; })) << "and it goes on";
}

TEST_F(SecondLevelTest, TheLogIsCutAndWhatIsOlderIsNotTrusted) {
    share(*a_, key_, "old");
    ASSERT_EQ(fetch(*b_, key_), "old");
    for (std::size_t i = 0; i < Coherence::kLogMax + 10; ++i) {
        a_->coherence.announce_tag(i + 1);
        if (i % 2000 == 1999) {
            ASSERT_TRUE(settle(*b_, i + 1));
        }
    }
    ASSERT_TRUE(settle(*b_, Coherence::kLogMax + 10));
    EXPECT_EQ(server_->command({"ZCARD", "t:cache:log"}), std::to_string(Coherence::kLogMax));
    Process late(driver_, *server_, 9);
    ASSERT_TRUE(driver_.until([&] { return late.coherence.synced(); }));
    EXPECT_EQ(fetch(late, key_), "-") << "made before the oldest item that is left";
    EXPECT_EQ(fetch(*b_, key_), "old") << "who has heard everything knows that nothing named it";
}

}  // namespace
}  // namespace tidegate::cache
