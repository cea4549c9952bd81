// A book, payers and costs that the tests of spend share.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/random.h"
#include "pipeline/spend/local_ledger.h"

namespace tidegate::pipeline::spend {

inline constexpr UnixMillis kNoon = 1'772'366'400'000;  // 2026-03-01T12:00:00Z
inline constexpr UnixMillis kDayMs = 86'400'000;
inline constexpr Points kTenth{100};

inline std::shared_ptr<Book> make_book(UnixMillis now = kNoon, std::size_t accounts_max = 4096) {
    SystemRandom random;
    return std::make_shared<Book>(Zone(), accounts_max, now, random);
}

inline Payer key_payer(std::uint64_t key = 7, Points cap = Points::whole(5)) {
    return {.actor = key, .tenant = 0, .is_address = false, .actor_cap = cap, .tenant_cap = {}};
}

/// The outcome of a ledger that answers at once.
inline Ledger::Outcome reserve_now(Ledger& ledger, const Payer& payer, Points cost, UnixMillis now = kNoon) {
    auto outcome = ledger.reserve(payer, cost, now, [](Ledger::Outcome) { ADD_FAILURE() << "answered twice"; });
    EXPECT_TRUE(outcome.has_value());
    return *std::move(outcome);
}

inline Balance own_balance(Ledger& ledger, const Payer& payer, UnixMillis now = kNoon) {
    return ledger.usage(payer, now, {}).value_or(Usage{}).actor;
}

}  // namespace tidegate::pipeline::spend
