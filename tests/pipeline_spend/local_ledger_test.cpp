// The ledger of one process: never over a cap, never a refusal while there is room, days that begin once.
#include "pipeline/spend/local_ledger.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fixture.h"
#include "pipeline/identity/caller.h"
#include "pipeline/spend/metrics.h"

namespace tidegate::pipeline::spend {
namespace {

class LocalLedgerTest : public ::testing::Test {
  protected:
    Ledger::Outcome reserve(const Payer& payer, Points cost, UnixMillis now = kNoon) {
        return reserve_now(*ledger_, payer, cost, now);
    }
    void spend(const Payer& payer, Points cost, UnixMillis now = kNoon) {
        auto outcome = reserve(payer, cost, now);
        ASSERT_TRUE(outcome);
        outcome->settle(cost);
    }

    std::shared_ptr<Book> book_ = make_book();
    std::shared_ptr<Ledger> ledger_ = make_local_ledger(book_);
};

TEST_F(LocalLedgerTest, AThousandRequestsOfATenthAgainstFiveAdmitExactlyFifty) {
    std::atomic<int> admitted{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 125; ++i) {
                auto outcome = reserve(key_payer(), kTenth);
                if (!outcome) continue;
                ++admitted;
                outcome->settle(kTenth);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(admitted, 50);
    EXPECT_EQ(own_balance(*ledger_, key_payer()).spent, Points::whole(5));
    EXPECT_EQ(own_balance(*ledger_, key_payer()).reserved, Points{});
    EXPECT_EQ(book_->counters().refused_key.value(), 950U);
    EXPECT_EQ(book_->counters().charged_milli.value(), 5000U);
}

TEST_F(LocalLedgerTest, RefundsMakeRoomSoThatExactlyFiftyAreChargedInTheEnd) {
    // Every third is refunded: it must come to fifty charged, however the threads meet.
    std::atomic<int> charged{0}, asked{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            while (asked.fetch_add(1) < 1000) {
                auto outcome = reserve(key_payer(), kTenth);
                if (!outcome) continue;
                const bool refund = asked.load() % 3 == 0;
                if (!refund) ++charged;
                outcome->settle(refund ? Points{} : kTenth);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (auto last = reserve(key_payer(), kTenth); last; last = reserve(key_payer(), kTenth)) {
        last->settle(kTenth);
        ++charged;
    }
    EXPECT_EQ(charged, 50);
    EXPECT_EQ(own_balance(*ledger_, key_payer()).spent, Points::whole(5));
}

TEST_F(LocalLedgerTest, KeyAndTenantAreJudgedAsOne) {
    const auto payer = [](std::uint64_t key) {
        return Payer{
            .actor = key, .tenant = 99, .is_address = false, .actor_cap = Points{3000}, .tenant_cap = Points{5000}};
    };
    spend(payer(1), Points{3000});
    const auto by_key = reserve(payer(1), kTenth);
    ASSERT_FALSE(by_key);
    EXPECT_EQ(by_key.error().cap, Cap::kKey);
    spend(payer(2), Points{1900});
    const auto by_tenant = reserve(payer(2), Points{200});
    ASSERT_FALSE(by_tenant);
    EXPECT_EQ(by_tenant.error().cap, Cap::kTenant);
    EXPECT_EQ(by_tenant.error().balance.spent, Points{4900});
    EXPECT_TRUE(by_tenant.error().until_reset);
    EXPECT_EQ(own_balance(*ledger_, payer(2)).reserved, Points{}) << "the tenant's refusal leaves nothing with the key";
    EXPECT_TRUE(reserve(payer(2), kTenth));
}

TEST_F(LocalLedgerTest, TenantsUnderThreadsNeverPassTheirCapNorLeaveRoomUnused) {
    std::atomic<int> admitted{0};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            const Payer payer{.actor = t + 1, .tenant = 50, .is_address = t % 2 == 0, .tenant_cap = Points::whole(5)};
            for (int i = 0; i < 125; ++i) {
                auto outcome = reserve(payer, kTenth);
                if (!outcome) continue;
                ++admitted;
                outcome->settle(kTenth);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(admitted, 50);
}

TEST_F(LocalLedgerTest, AnOpenReservationHoldsItsRoomAndADroppedOneGivesItBack) {
    {
        const auto open = reserve(key_payer(), Points::whole(5));
        ASSERT_TRUE(open);
        const auto refused = reserve(key_payer(), kTenth);
        ASSERT_FALSE(refused);
        EXPECT_FALSE(refused.error().until_reset) << "it may be refunded yet: asking again is not in vain";
        EXPECT_EQ(refused.error().balance.reserved, Points::whole(5));
    }
    EXPECT_TRUE(reserve(key_payer(), Points::whole(5)));
}

TEST_F(LocalLedgerTest, ASettlementCountsOnceAndMayBeLess) {
    auto outcome = reserve(key_payer(), Points::whole(3));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->remaining_after(Points::whole(1)), Points::whole(4));
    outcome->settle(Points::whole(1));
    outcome->settle(Points::whole(3));
    Reservation moved = *std::move(outcome);
    moved.settle(Points::whole(3));
    EXPECT_EQ(own_balance(*ledger_, key_payer()).spent, Points::whole(1));
    EXPECT_EQ(own_balance(*ledger_, key_payer()).remaining(), Points::whole(4));
    EXPECT_EQ(book_->counters().refunded_milli.value(), 2000U);
}

TEST_F(LocalLedgerTest, NoCapRefusesNobodyAndIsCountedAllTheSame) {
    const Payer payer = key_payer(3, Points{});
    auto outcome = reserve(payer, Points::whole(1'000'000));
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->remaining_after({}), std::nullopt);
    outcome->settle(Points::whole(1'000'000));
    EXPECT_EQ(own_balance(*ledger_, payer).spent, Points::whole(1'000'000));
    EXPECT_EQ(own_balance(*ledger_, payer).remaining(), std::nullopt);
}

TEST_F(LocalLedgerTest, AnOperationWithoutAPriceIsNeverRefused) {
    spend(key_payer(), Points::whole(5));
    auto outcome = reserve(key_payer(), {});
    ASSERT_TRUE(outcome);
    outcome->settle(Points::whole(9));
    EXPECT_EQ(own_balance(*ledger_, key_payer()).spent, Points::whole(5)) << "nothing was reserved, nothing is charged";
}

TEST_F(LocalLedgerTest, MidnightResetsOnceAndAClockPutBackResetsNothing) {
    const UnixMillis midnight = kNoon + kDayMs / 2;
    spend(key_payer(), Points::whole(5), midnight - 1);
    const auto refused = reserve(key_payer(), kTenth, midnight - 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().resets_at, midnight);
    spend(key_payer(), Points::whole(5), midnight);
    EXPECT_FALSE(reserve(key_payer(), kTenth, midnight));
    EXPECT_FALSE(reserve(key_payer(), kTenth, midnight - 1)) << "back before midnight: still the day that has begun";
    EXPECT_FALSE(reserve(key_payer(), kTenth, midnight - 3 * kDayMs));
    EXPECT_FALSE(reserve(key_payer(), kTenth, midnight)) << "over midnight again: no second reset";
    EXPECT_EQ(own_balance(*ledger_, key_payer(), midnight).spent, Points::whole(5)) << "and nothing counted twice";
    spend(key_payer(), Points::whole(5), midnight + kDayMs);
}

TEST_F(LocalLedgerTest, AReservationOfYesterdayChargesYesterday) {
    const UnixMillis midnight = kNoon + kDayMs / 2;
    auto open = reserve(key_payer(), Points::whole(5), midnight - 1);
    ASSERT_TRUE(open);
    auto today = reserve(key_payer(), Points::whole(5), midnight);
    ASSERT_TRUE(today);
    open->settle(Points::whole(5));
    EXPECT_EQ(own_balance(*ledger_, key_payer(), midnight).spent, Points{});
    EXPECT_EQ(own_balance(*ledger_, key_payer(), midnight).reserved, Points::whole(5));
}

TEST_F(LocalLedgerTest, TheDaySoFarComesFromTheLog) {
    book_->load({.by_actor = {{"key:a", Points{4950}}, {"address:b", Points{4000}}},
                 .by_tenant = {{"acme", kTenth}},
                 .decisions = 3});
    const Payer key = key_payer(hash_of("key:a"));
    EXPECT_FALSE(reserve(key, kTenth));
    EXPECT_TRUE(reserve(key, Points{50}));
    Payer address = key_payer(hash_of("address:b"));
    address.is_address = true;
    EXPECT_EQ(own_balance(*ledger_, address).spent, Points{4000});
    Payer tenant = key_payer(1);
    tenant.tenant = hash_of("acme");
    EXPECT_EQ(ledger_->usage(tenant, kNoon, {})->tenant->spent, kTenth);
}

TEST(FullAccounts, ForgetThoseThatSpentLeastAndSayHowMuch) {
    const auto book = make_book(kNoon, 512);  // 64 shards of one set of 8.
    const auto ledger = make_local_ledger(book);
    const Payer big = key_payer(1, Points::whole(5));
    reserve_now(*ledger, big, Points::whole(5))->settle(Points::whole(5));
    for (std::uint64_t key = 2; key < 4000; ++key) {
        auto outcome = reserve_now(*ledger, key_payer(key), kTenth);
        ASSERT_TRUE(outcome) << key;
        outcome->settle(kTenth);
    }
    EXPECT_FALSE(reserve_now(*ledger, big, kTenth)) << "whoever spent most is the last to be forgotten";
    EXPECT_GE(book->accounts().forgotten(), 3999U - 512U);
    EXPECT_EQ(book->accounts().forgotten_milli(), book->accounts().forgotten() * 100);
    Payer address = key_payer(1);
    address.is_address = true;
    EXPECT_TRUE(reserve_now(*ledger, address, kTenth)) << "addresses have a table of their own";
}

TEST(FullAccounts, WhoeverHoldsSomethingIsNotForgottenAndANewcomerIsRefused) {
    const auto book = make_book(kNoon, 512);
    const auto ledger = make_local_ledger(book);
    std::vector<Reservation> open;
    std::uint64_t refused = 0;
    for (std::uint64_t key = 1; key < 4000; ++key) {
        auto outcome = reserve_now(*ledger, key_payer(key), kTenth);
        if (outcome) {
            open.push_back(*std::move(outcome));
        } else {
            EXPECT_EQ(outcome.error().why, Refusal::Why::kFull);
            ++refused;
        }
    }
    EXPECT_EQ(open.size(), 512U);
    EXPECT_EQ(book->counters().refused_full.value(), refused);
    open.clear();
    EXPECT_TRUE(reserve_now(*ledger, key_payer(9999), kTenth));
}

TEST_F(LocalLedgerTest, TheMetricsCountWhatHappened) {
    observe::Registry registry;
    // An hour before the midnight at which the book's day began: the clock was ahead, and is not any more.
    const ManualClock clock(kNoon - kDayMs / 2 - 3'600'000);
    declare_metrics(registry, *book_, clock);
    spend(key_payer(), Points{4950});
    EXPECT_FALSE(reserve(key_payer(), kTenth));
    reserve(key_payer(), Points{50})->release();
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    for (const char* line : {"tidegate_spend_reservations_total{outcome=\"admitted\"} 2\n",
                             "tidegate_spend_reservations_total{outcome=\"key\"} 1\n",
                             "tidegate_spend_points_total{outcome=\"charged\"} 4.95\n",
                             "tidegate_spend_points_total{outcome=\"refunded\"} 0.05\n",
                             "tidegate_spend_degraded_loops 0\n", "tidegate_spend_day_ahead_seconds 3600\n"}) {
        EXPECT_THAT(text, ::testing::HasSubstr(line));
    }
}

}  // namespace
}  // namespace tidegate::pipeline::spend
