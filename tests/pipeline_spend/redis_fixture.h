// One server's share of spend over a real Redis: a loop, a connection, a book, a ledger.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "fixture.h"
#include "pipeline/spend/redis_ledger.h"
#include "store/redis_counters.h"
#include "support/loop_driver.h"

namespace tidegate::pipeline::spend {

class SharedSpend {
  public:
    explicit SharedSpend(std::uint16_t port, RedisLedgerOptions options = {}, UnixMillis now = kNoon)
        : book_(make_book(now)),
          redis_(
              store::connect_redis(driver_.loop(), {.port = port, .command_max = std::chrono::seconds(60)}, counters_)),
          ledger_(make_redis_ledger(book_, *redis_, driver_.loop(), random_, std::move(options))) {}
    ~SharedSpend() { ledger_->stop(); }

    [[nodiscard]] bool until_shared() {
        return driver_.until([&] { return redis_->connected() && !ledger_->degraded(); });
    }
    [[nodiscard]] bool until_alone() {
        return driver_.until([&] { return !redis_->connected(); });
    }
    Ledger::Outcome reserve(const Payer& payer, Points cost, UnixMillis now = kNoon) {
        auto later = std::make_shared<std::optional<Ledger::Outcome>>();
        auto outcome = ledger_->reserve(payer, cost, now, [later](Ledger::Outcome answer) {
            EXPECT_FALSE(later->has_value());
            later->emplace(std::move(answer));
        });
        if (outcome) return *std::move(outcome);
        EXPECT_TRUE(driver_.until([&] { return later->has_value(); }));
        return std::move(**later);
    }
    /// Returns when Redis has the charge, if there is one: the question behind it is answered behind it.
    void spend(const Payer& payer, Points cost, UnixMillis now = kNoon) {
        auto outcome = reserve(payer, cost, now);
        ASSERT_TRUE(outcome);
        outcome->settle(cost);
        usage(payer, now);
    }
    Usage usage(const Payer& payer, UnixMillis now = kNoon) {
        auto later = std::make_shared<std::optional<Usage>>();
        if (const auto usage = ledger_->usage(payer, now, [later](const Usage& answer) { *later = answer; }))
            return *usage;
        EXPECT_TRUE(driver_.until([&] { return later->has_value(); }));
        return later->value_or(Usage{});
    }

    testing::LoopDriver& driver() noexcept { return driver_; }
    Book& book() noexcept { return *book_; }
    RedisLedger& ledger() noexcept { return *ledger_; }
    SpendCounters& counters() noexcept { return book_->counters(); }

  private:
    testing::LoopDriver driver_;
    SystemRandom random_;
    store::RedisCounters counters_;
    std::shared_ptr<Book> book_;
    std::unique_ptr<store::Redis> redis_;
    std::shared_ptr<RedisLedger> ledger_;
};

}  // namespace tidegate::pipeline::spend
