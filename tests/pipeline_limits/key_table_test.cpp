// The table against an exact reference, under threads, full, and with a clock that jumps.
#include "pipeline/limits/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

#include "pipeline/limits/limiter.h"

namespace tidegate::limits {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr SteadyTime kTableStart{hours(5)};

Ask ask_of(std::uint64_t subject, const Rate& rate, std::uint16_t rule = 0, bool shadow = false) {
    return {subject, 1'000U + rule, Gcra::of(rate), rule, shadow};
}

bool admits(KeyTable& table, const std::vector<Ask>& asks, SteadyTime now, Verdict* out = nullptr) {
    Verdict verdict;
    table.admit(asks, now, verdict);
    if (out != nullptr) *out = verdict;
    return verdict.answer == Answer::kAllowed;
}

/// A token bucket counted in nanoseconds of refill: written without a TAT.
class Bucket {
  public:
    explicit Bucket(const Gcra& gcra) : gcra_(gcra), level_(gcra.capacity_ns) {}
    bool has_one(SteadyTime now) {
        level_ = std::min(gcra_.capacity_ns, level_ + (now - last_).count());
        last_ = now;
        return level_ >= gcra_.interval_ns;
    }
    void take() { level_ -= gcra_.interval_ns; }
    std::int64_t level() const { return level_; }

  private:
    Gcra gcra_;
    std::int64_t level_;
    SteadyTime last_ = kTableStart;
};

TEST(KeyTable, DecidesAsATokenBucketOfEachKeyDoesAndChargesAllRulesOrNone) {
    SeededRandom random(11);
    KeyTable table(4096, random);
    const std::vector<Rate> rates{
        {10, seconds(1), 3}, {100, minutes(1), 100}, {7, milliseconds(100), 1}, {3, seconds(7), 20}};
    std::map<std::pair<std::size_t, std::uint64_t>, Bucket> buckets;
    SteadyTime now = kTableStart;
    int allowed = 0;
    for (int step = 0; step < 200'000; ++step) {
        now += microseconds(random.next_u64() % 20'000);
        std::vector<Ask> asks;
        std::vector<Bucket*> own;
        for (std::size_t rule = 0; rule < rates.size(); ++rule) {
            if (random.next_u64() % 3 == 0) continue;
            const std::uint64_t subject = 1 + random.next_u64() % 5;
            asks.push_back(ask_of(subject, rates[rule], static_cast<std::uint16_t>(rule)));
            own.push_back(&buckets.try_emplace({rule, subject}, asks.back().gcra).first->second);
        }
        bool expected = true;
        for (Bucket* bucket : own) expected = bucket->has_one(now) && expected;
        Verdict verdict;
        ASSERT_EQ(admits(table, asks, now, &verdict), expected) << step;
        allowed += expected ? 1 : 0;
        for (std::size_t i = 0; i < own.size(); ++i) {
            if (expected) own[i]->take();
            ASSERT_EQ(verdict.standings[i].remaining(), own[i]->level() / asks[i].gcra.interval_ns);
            const std::int64_t wait = std::max<std::int64_t>(asks[i].gcra.interval_ns - own[i]->level(), 0);
            ASSERT_EQ(asks[i].gcra.wait_ns(verdict.standings[i].ahead_ns), wait);
        }
    }
    EXPECT_GT(allowed, 20'000);
    EXPECT_LT(allowed, 180'000);
    EXPECT_EQ(table.evicted(), 0U);
}

TEST(KeyTable, AfterTheTimeToldTheNextRequestPassesAndNotOneNanosecondBefore) {
    SeededRandom random(12);
    KeyTable table(1024, random);
    for (const Rate& rate : {Rate{3, seconds(1), 2}, Rate{1000, hours(24), 5}, Rate{4'000'000'000, seconds(1), 1}}) {
        const std::vector<Ask> asks{ask_of(random.next_u64(), rate)};
        SteadyTime now = kTableStart;
        Verdict verdict;
        while (admits(table, asks, now, &verdict)) {
        }
        const Duration wait(verdict.retry_after_ns());
        ASSERT_GT(wait, Duration::zero());
        EXPECT_FALSE(admits(table, asks, now + wait - Duration(1)));
        EXPECT_TRUE(admits(table, asks, now + wait));
        EXPECT_FALSE(admits(table, asks, now + wait));
    }
}

TEST(KeyTable, ARuleInShadowHindersNobodyAndIsNotChargedWhenItDenies) {
    SeededRandom random(13);
    KeyTable table(1024, random);
    const Rate wide{100, minutes(1), 100};
    const Rate narrow{1, minutes(1), 2};
    const std::vector<Ask> asks{ask_of(1, wide, 0), ask_of(1, narrow, 1, true)};
    Verdict verdict;
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(admits(table, asks, kTableStart, &verdict));
        EXPECT_EQ(verdict.shadow_denied, i >= 2);
        EXPECT_EQ(verdict.standings[0].remaining(), 99 - i);
    }
    // Two permits were taken of the rule in shadow, not ten.
    EXPECT_FALSE(admits(table, {ask_of(1, narrow, 1)}, kTableStart + seconds(59)));
    EXPECT_TRUE(admits(table, {ask_of(1, narrow, 1)}, kTableStart + seconds(60)));
    // A refusal by another does not charge it either.
    const std::vector<Ask> refused{ask_of(9, narrow, 2), ask_of(9, narrow, 1, true)};
    for (int i = 0; i < 5; ++i) admits(table, refused, kTableStart);
    admits(table, {ask_of(9, narrow, 1)}, kTableStart, &verdict);
    EXPECT_EQ(verdict.answer, Answer::kDenied);  // Exactly the two that were admitted.
}

TEST(KeyTable, AnOlderOrJumpingClockNeverGivesMore) {
    SeededRandom random(14);
    KeyTable table(1024, random);
    const std::vector<Ask> asks{ask_of(1, {10, seconds(1), 10})};
    int allowed = 0;
    while (admits(table, asks, kTableStart)) ++allowed;
    ASSERT_EQ(allowed, 10);
    SteadyTime latest = kTableStart;
    for (int step = 0; step < 50'000; ++step) {
        // Loops whose cached times differ, and now and then a step far back.
        SteadyTime now = latest - milliseconds(random.next_u64() % 200);
        if (random.next_u64() % 100 == 0) now = latest - seconds(60);
        if (random.next_u64() % 10 == 0) latest += milliseconds(1);
        allowed += admits(table, asks, now) ? 1 : 0;
    }
    EXPECT_LE(allowed, 10 + (latest - kTableStart) / milliseconds(100));
    // A leap forward, as after a night of sleep, gives one full burst.
    allowed = 0;
    for (int i = 0; i < 100; ++i) allowed += admits(table, asks, latest + hours(8)) ? 1 : 0;
    EXPECT_EQ(allowed, 10);
    // Near the epoch of the clock nothing is special.
    EXPECT_TRUE(admits(table, {ask_of(2, {1, seconds(1), 1})}, SteadyTime{}));
    EXPECT_FALSE(admits(table, {ask_of(2, {1, seconds(1), 1})}, SteadyTime{}));
}

TEST(KeyTable, RatesAtTheEdgeOfTheNumbersAreCountedAsTheyAre) {
    SeededRandom random(15);
    KeyTable table(1024, random);
    const Rate slow{1, hours(24 * 366), 199};  // 199 years and a little: the longest burst taken whole.
    int allowed = 0;
    for (int i = 0; i < 300; ++i) allowed += admits(table, {ask_of(1, slow)}, kTableStart) ? 1 : 0;
    EXPECT_EQ(allowed, 199);
    const Rate fast{4'294'967'295, milliseconds(1), 4'294'967'295};
    Verdict verdict;
    EXPECT_TRUE(admits(table, {ask_of(1, fast, 1)}, kTableStart, &verdict));
    EXPECT_EQ(verdict.standings[0].remaining(), 4'294'967'294);
}

TEST(KeyTable, ManyThreadsTogetherAdmitExactlyTheBurst) {
    SeededRandom random(16);
    KeyTable table(1024, random);
    const Rate shared{1, hours(1), 1000};
    const Rate each{1, hours(1), 400};
    constexpr std::size_t kThreads = 4;
    std::array<int, kThreads> allowed{};
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                // Every thread has a key of its own and one with all others; their order in the call differs.
                std::vector<Ask> asks{ask_of(7, shared, 0), ask_of(100 + t, each, 1)};
                if (t % 2 == 1) std::swap(asks[0], asks[1]);
                for (int i = 0; i < 3000; ++i) allowed[t] += admits(table, asks, kTableStart) ? 1 : 0;
            });
        }
    }
    int total = 0;
    for (const int count : allowed) {
        EXPECT_LE(count, 400);
        total += count;
    }
    EXPECT_EQ(total, 1000);
    // None of the refused was charged to the key of its thread.
    for (std::size_t t = 0; t < kThreads; ++t) {
        Verdict verdict;
        const bool more = admits(table, {ask_of(100 + t, each, 1)}, kTableStart, &verdict);
        EXPECT_EQ(more, allowed[t] < 400);
        if (more) {
            EXPECT_EQ(verdict.standings[0].remaining(), 400 - allowed[t] - 1);
        }
    }
}

TEST(KeyTable, UnderTheLimitOfKeysNothingIsForgottenAndOverItTheOnesClosestToRestAre) {
    constexpr std::size_t kKeys = 32'768;
    SeededRandom random(17);
    KeyTable table(kKeys, random);
    EXPECT_GE(table.slots(), 2 * kKeys);
    const Rate rate{1, hours(1), 2};
    const auto add = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) EXPECT_TRUE(admits(table, {ask_of(i + 1, rate)}, kTableStart));
    };
    add(0, kKeys / 2);
    EXPECT_EQ(table.evicted(), 0U);
    add(kKeys / 2, kKeys);
    EXPECT_LE(table.evicted(), kKeys / 500);
    const auto at_limit = table.evicted();
    RecordProperty("evicted_at_keys_max", static_cast<int>(at_limit));
    // Twelve times as many as it was made for: still every request is decided, and the table is as large as before. The
    // keys that have sent more are further from rest and outlive those that sent once.
    for (std::size_t i = 0; i < 200; ++i) admits(table, {ask_of(1'000'000 + i, rate)}, kTableStart + seconds(1));
    for (std::size_t i = 0; i < 200; ++i) admits(table, {ask_of(1'000'000 + i, rate)}, kTableStart + seconds(1));
    add(kKeys, 12 * kKeys);
    EXPECT_GT(table.evicted(), 9 * kKeys);
    int forgotten = 0;
    for (std::size_t i = 0; i < 200; ++i) {
        forgotten += admits(table, {ask_of(1'000'000 + i, rate)}, kTableStart + seconds(1)) ? 1 : 0;
    }
    EXPECT_EQ(forgotten, 0);
    // An hour later all are at rest, and their slots are free.
    const auto evicted = table.evicted();
    for (std::size_t i = 0; i < kKeys / 2; ++i) admits(table, {ask_of(5'000'000 + i, rate)}, kTableStart + hours(3));
    EXPECT_EQ(table.evicted(), evicted);
}

TEST(KeyTable, ChargeNotesWhatWasDecidedElsewhereUpToAFullBurst) {
    SeededRandom random(18);
    KeyTable table(1024, random);
    const std::vector<Ask> asks{ask_of(1, {1, seconds(1), 5})};
    for (int i = 0; i < 3; ++i) table.charge(asks, kTableStart);
    Verdict verdict;
    EXPECT_TRUE(admits(table, asks, kTableStart, &verdict));
    EXPECT_EQ(verdict.standings[0].remaining(), 1);
    for (int i = 0; i < 100; ++i) table.charge(asks, kTableStart);
    EXPECT_FALSE(admits(table, asks, kTableStart, &verdict));
    EXPECT_EQ(verdict.retry_after_ns(), Duration(seconds(1)).count());
}

TEST(RateLimiter, TenThousandDistinctKeysInASecondAreEachCountedForThemselves) {
    SystemRandom random;
    SystemClock clock;
    auto limiter =
        RateLimiter::create({{.name = "each", .per = Per::kAddress, .rate = {1, minutes(1), 2}}}, {}, clock, random);
    ASSERT_TRUE(limiter);
    const RouteRules route = (*limiter)->rules().of_route("f", "r").value();
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t i = 1; i <= 10'000; ++i) {
            const Asks asks = (*limiter)->rules().asks(route, {.address = i}, nullptr);
            Verdict verdict;
            (*limiter)->check_local(asks.all(), kTableStart, verdict);
            ASSERT_EQ(verdict.answer, round < 2 ? Answer::kAllowed : Answer::kDenied);
        }
    }
    EXPECT_EQ((*limiter)->table().evicted(), 0U);
    EXPECT_EQ((*limiter)->counters().allowed.value(), 20'000U);
    EXPECT_EQ((*limiter)->counters().denied.value(), 10'000U);
    EXPECT_EQ((*limiter)->counters().denied_by_rule[0]->value(), 10'000U);
    EXPECT_EQ((*limiter)->counters().decided_local.value(), 30'000U);
}

}  // namespace
}  // namespace tidegate::limits
