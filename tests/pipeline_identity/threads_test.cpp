// Loops that look keys up while keys are made, rotated and revoked; tokens checked while their keys change. For ThreadSanitizer.
#include <atomic>
#include <thread>

#include "pipeline/identity/authenticator.h"
#include "pipeline_identity/fixture.h"

namespace tidegate::pipeline {
namespace {

class IdentityThreads : public testing::IdentityFixture {};

http::Headers with_key(const std::string& text) {
    http::Headers headers;
    headers.add("X-API-Key", text);
    return headers;
}

TEST_F(IdentityThreads, ARevocationHoldsOnEveryLoopWhenItReturns) {
    open();
    identity->start();
    const NewKey steady = make_key();
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::atomic<int> rounds{0};
    std::vector<std::jthread> loops;
    for (int i = 0; i < 3; ++i) {
        loops.emplace_back([&] {
            Authenticator authenticator(*identity);
            const http::Headers headers = with_key(steady.text);
            while (!stop.load(std::memory_order_relaxed)) {
                const auto outcome = authenticator.authenticate(headers, "10.0.0.1", clock.unix_ms());
                if (!outcome.caller || outcome.caller->revoked.load()) ++wrong;
                ++rounds;
            }
        });
    }
    Authenticator here(*identity);
    for (int i = 0; i < 20; ++i) {
        const NewKey made = make_key();
        const auto before = here.authenticate(with_key(made.text), "10.0.0.1", now());
        ASSERT_TRUE(before.caller);
        if (i % 2 == 0) {
            ASSERT_TRUE(identity->keys().rotate(made.record.public_id, std::chrono::hours(1)));
        }
        ASSERT_TRUE(identity->keys().revoke(made.record.public_id));
        EXPECT_TRUE(before.caller->revoked.load());
        EXPECT_EQ(here.authenticate(with_key(made.text), "10.0.0.1", now()).refusal, Refusal::kRevoked);
    }
    while (rounds.load() < 100) std::this_thread::yield();
    stop = true;
    loops.clear();
    identity->stop();
    EXPECT_EQ(wrong.load(), 0);
}

TEST_F(IdentityThreads, TwoWhoChangeKeysAtOnceLoseNothing) {
    open();
    identity->start();
    std::vector<std::string> texts[2];
    {
        std::vector<std::jthread> writers;
        for (auto& mine : texts) {
            writers.emplace_back([&] {
                for (int i = 0; i < 10; ++i) {
                    auto made = identity->keys().create({.name = "k", .scopes = {"*"}});
                    if (made) mine.push_back(made->text);
                }
            });
        }
    }
    Authenticator authenticator(*identity);
    for (const auto& mine : texts) {
        EXPECT_EQ(mine.size(), 10U);
        for (const std::string& text : mine) {
            EXPECT_TRUE(authenticator.authenticate(with_key(text), "10.0.0.1", now()).caller);
        }
    }
    EXPECT_EQ(identity->keys().status().known, 20U);
}

// The promise to operators: within a second. The clock of the watcher is real, so this test waits, bounded.
TEST_F(IdentityThreads, TheWatcherSeesARevocationByAnotherProcessWithinASecond) {
    open();
    const NewKey made = make_key();
    identity->start();
    Authenticator authenticator(*identity);
    const auto under_way = authenticator.authenticate(with_key(made.text), "10.0.0.1", now());
    ASSERT_TRUE(under_way.caller);
    IdentityCounters theirs;
    SystemRandom their_random;
    const auto other = KeyStore::open({.path = folder.file("tidegate.db")}, clock, their_random, theirs).value();
    ASSERT_TRUE(other->revoke(made.record.public_id));
    const SystemClock real;
    const SteadyTime begin = real.now();
    while (!under_way.caller->revoked.load() && real.now() - begin < std::chrono::seconds(30))
        std::this_thread::yield();
    EXPECT_LT(real.now() - begin, std::chrono::seconds(10));
    EXPECT_EQ(authenticator.authenticate(with_key(made.text), "10.0.0.1", now()).refusal, Refusal::kRevoked);
}

TEST_F(IdentityThreads, StoppingWritesWhenKeysWereLastUsed) {
    open();
    const NewKey made = make_key();
    identity->start();
    Authenticator authenticator(*identity);
    ASSERT_TRUE(authenticator.authenticate(with_key(made.text), "10.0.0.1", now()).caller);
    identity->stop();
    identity.reset();
    IdentityCounters theirs;
    const auto other = KeyStore::open({.path = folder.file("tidegate.db")}, clock, random, theirs).value();
    EXPECT_EQ(other->list()->front().last_used, now() - now() % 60'000);
}

}  // namespace
}  // namespace tidegate::pipeline
