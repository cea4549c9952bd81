// The books in PostgreSQL: several servers lose nothing, and nothing that fails looks like an empty answer.
#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "services/content/postgres_books_fixture.h"

namespace tidegate::content {
namespace {

using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

TEST_F(PostgresBooksTest, TheDatabaseItselfRefusesWhatBreaksTheBooks) {
    const auto ledger = ledger_at(place_);
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    const auto psql = link(place_);
    for (const std::string_view wrong :
         {"UPDATE content_accounts SET balance = -1 WHERE kind = 'user'", "UPDATE content_entries SET amount = 1",
          "DELETE FROM content_entries", "TRUNCATE content_entries", "UPDATE content_transfers SET amount = 1",
          "DELETE FROM content_transfers", "TRUNCATE content_transfers CASCADE",
          "INSERT INTO content_accounts (tenant, kind) VALUES ('t', 'supply')",
          // A transfer without its entries; an entry of none; a third entry.
          "INSERT INTO content_transfers (tenant, id, debit, credit, amount, kind, reason, card_id, attribution_id, "
          "actor, created_ms) SELECT 't', 'x', min(id), max(id), 5, '', '', '', '', '', 0 FROM content_accounts",
          "INSERT INTO content_entries SELECT account, 999, 5, 5 FROM content_entries LIMIT 1",
          "INSERT INTO content_entries SELECT (SELECT max(id) FROM content_accounts), min(transfer), 5, 5 FROM "
          "content_entries",
          "INSERT INTO content_users (tenant, id, username, email, display_name, bio, avatar_url, owner, account, "
          "created_ms) SELECT 't', 'z', 'U0', '', '', '', '', '', account, 0 FROM content_users LIMIT 1"}) {
        EXPECT_FALSE(psql->run(std::string(wrong))) << wrong;
    }
    EXPECT_TRUE(reconciled(place_).sound());
}

TEST_F(PostgresBooksTest, TwoServersOnOneDatabaseNeitherWaitForEachOtherNorLoseABalance) {
    const auto first = ledger_at(place_), second = ledger_at(place_);
    ASSERT_TRUE(fund(*first, 4, 1'000));
    std::atomic<int> moved{0};
    const auto work = [&](Ledger& ledger, std::uint64_t seed) {
        for (std::uint64_t n = 0; n < 60; ++n) {
            const std::uint64_t chance = mix64(seed * 1'000 + n);
            const std::string key = std::to_string(seed) + " " + std::to_string(n);
            const auto from = "u" + std::to_string(chance % 4),
                       to = "u" + std::to_string((chance % 4 + 1 + (chance >> 8U) % 3) % 4);
            const auto done = transfer_by_key(ledger, key, key, from, to, 1 + static_cast<Units>((chance >> 16U) % 9));
            if (done) ++moved;
            EXPECT_TRUE(done || done.error().code == ErrorCode::kFailedValidation) << done.error().message;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t client = 0; client < 8; ++client) {
            threads.emplace_back([&, client] { work(client % 2 == 0 ? *first : *second, client); });
        }
    }
    const Reconciliation found = reconciled(place_);
    EXPECT_TRUE(found.sound()) << (found.faults.empty() ? "" : found.faults.front());
    EXPECT_EQ(found.transfers, moved + 4);
    // A key is known to the other server, too.
    EXPECT_TRUE(transfer_by_key(*first, "once", "q", "u0", "u1", 1).has_value());
    EXPECT_TRUE(transfer_by_key(*second, "once", "q", "u0", "u1", 1).value().repeated);
    EXPECT_EQ(transfer_by_key(*second, "once", "other", "u0", "u1", 1).error().code, ErrorCode::kConflict);
}

TEST_F(PostgresBooksTest, TheSupplyOfATenantIsMadeOnceAndTheSameNewUserOnce) {
    const auto first = ledger_at(place_), second = ledger_at(place_);
    for (int round = 0; round < 10; ++round) {
        const Actor actor{"tenant" + std::to_string(round), "key:ann", false};
        const auto begin = [&](Ledger& ledger, std::promise<Result<LedgerAnswer>>& promise) {
            ledger.submit({.actor = actor,
                           .key = {},
                           .digest = {},
                           .work = [actor](Books& books) -> Result<LedgerAnswer> {
                               User user;
                               user.username = "ann";
                               TG_TRY(const User made, books.add_user(actor, user));
                               TG_CHECK(books.award(actor, made.id, kToken, {}));
                               return LedgerAnswer{};
                           },
                           .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
        };
        std::promise<Result<LedgerAnswer>> one, other;
        begin(*first, one);
        begin(*second, other);
        const auto done = one.get_future().get(), also = other.get_future().get();
        EXPECT_NE(done.has_value(), also.has_value());
        EXPECT_EQ((done ? also : done).error().code, ErrorCode::kConflict);
    }
    const Reconciliation found = reconciled(place_);
    EXPECT_TRUE(found.sound());
    EXPECT_EQ(found.accounts, 20);
    EXPECT_EQ(found.transfers, 10);
}

TEST_F(PostgresBooksTest, AChangeThatADeadlockEndedIsRepeated) {
    const auto ledger = ledger_at(place_);
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    const auto other = link(place_), eye = link(place_);
    // It holds u0 and waits for u1, and is never the one that gives way.
    run(*other, "SET deadlock_timeout = '1h'");
    run(*other, "BEGIN");
    run(*other, "SELECT 1 FROM content_users WHERE id = 'u0' FOR UPDATE");
    std::promise<void> holds;
    auto held = holds.get_future();
    std::promise<Result<LedgerAnswer>> promise;
    auto answer = promise.get_future();
    int times = 0;
    const auto hold = [](Books& books, std::string_view id) -> Result<void> {
        TG_TRY(const auto row, books.store().prepare("SELECT u.row FROM users u WHERE u.id = ?1 FOR UPDATE"));
        return row->bind(1, id).run();
    };
    ledger->submit({.actor = kAnn,
                    .key = "k",
                    .digest = {},
                    .work = [&](Books& books) -> Result<LedgerAnswer> {
                        if (++times == 1) {
                            TG_CHECK(hold(books, "u1"));
                            holds.set_value();
                            // Until it waits for us.
                            for (std::int64_t waiting = 0; waiting == 0;) {
                                TG_TRY(const PostgresRows rows,
                                       eye->run("SELECT count(*) FROM pg_locks WHERE NOT granted", PostgresValues()));
                                waiting = rows.integer(0, 0);
                            }
                            TG_CHECK(hold(books, "u0"));
                        }
                        TG_TRY(const Transfer done, books.transfer(kAnn, "u0", "u1", 10, {}));
                        return LedgerAnswer{200, format_amount(done.from_balance), false};
                    },
                    .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
    ASSERT_EQ(held.wait_for(std::chrono::minutes(2)), std::future_status::ready);
    run(*other, "SELECT 1 FROM content_users WHERE id = 'u1' FOR UPDATE");
    run(*other, "COMMIT");
    const auto done = answer.get();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->body, "0.99999990");
    EXPECT_EQ(times, 2);
    EXPECT_TRUE(reconciled(place_).sound());
}

TEST_F(PostgresBooksTest, ATenantThatAnotherServerHoldsHoldsUpNobodyElse) {
    const auto ledger = ledger_at(place_);
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    const auto home = home_at(place_);
    const auto other = home->connect().value();
    ASSERT_TRUE(other->begin_writing(std::vector<std::string>{kAnn.tenant}));
    std::promise<void> gate;
    const auto submit = [&](const Actor& actor, std::function<Result<void>(Books&)> work) {
        auto promise = std::make_shared<std::promise<Result<LedgerAnswer>>>();
        ledger->submit({.actor = actor,
                        .key = "",
                        .digest = {},
                        .work = [work = std::move(work)](Books& books) -> Result<LedgerAnswer> {
                            TG_CHECK(work(books));
                            return LedgerAnswer{200, "{}", false};
                        },
                        .done = [promise](Result<LedgerAnswer> got) { promise->set_value(std::move(got)); }});
        return promise->get_future();
    };
    // While the first is under way the next two come together.
    auto first = submit(kElsewhere, [opened = gate.get_future().share()](Books&) -> Result<void> {
        opened.wait();
        return {};
    });
    auto held = submit(kAnn, [](Books& books) -> Result<void> {
        TG_CHECK(books.transfer(kAnn, "u0", "u1", 10, {}));
        return {};
    });
    auto free = submit(kElsewhere, [](Books& books) -> Result<void> {
        User user;
        user.id = user.username = "e0";
        TG_CHECK(books.add_user(kElsewhere, user));
        return {};
    });
    gate.set_value();
    EXPECT_TRUE(first.get());
    const auto done = free.get();
    EXPECT_TRUE(done) << done.error().message;
    const auto refused = held.get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    other->roll_back();
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10));
    EXPECT_TRUE(reconciled(place_).sound());
}

TEST_F(PostgresBooksTest, OldAnswersAreForgottenAsFastAsChangesCome) {
    const auto ledger = ledger_at(place_);
    const auto psql = link(place_);
    run(*psql,
        "INSERT INTO content_answers (tenant, actor, key, digest, status, body, created_ms) SELECT 'other', 'a', "
        "n::text, "
        "''::bytea, 200, '', n FROM generate_series(1, 3500) n");
    // A thousand at most before each change, so that none waits for long.
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    for (const char* key : {"1", "2", "3"}) ASSERT_TRUE(transfer_by_key(*ledger, key, "q", "u0", "u1", 1));
    const PostgresRows left =
        psql->run("SELECT count(*) FILTER (WHERE tenant = 'other'), count(*) FROM content_answers", PostgresValues())
            .value();
    EXPECT_EQ(left.integer(0, 0), 0);
    EXPECT_EQ(left.integer(0, 1), 4) << "those of today, with that of fund()";
}

TEST_F(PostgresBooksTest, ACommitWithoutAnAnswerIsToldSoAndItsKeyGivesWhatWasDoneOnce) {
    const auto server = testing::PostgresServer::start();
    ASSERT_NE(server, nullptr);
    PostgresPlace place{.url = server->url(), .schema = "tidegate"};
    const auto psql = link(place);
    const auto ledger = ledger_at(place);
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    // A commit waits for a standby that there is not: it is on the disk here already. Then its connection is ended.
    run(*psql, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    run(*psql, "SELECT pg_reload_conf()");
    Result<LedgerAnswer> answer;
    int number = 0;
    // The server takes a moment to know that it waits.
    do {
        ++number;
        auto asked = std::async(std::launch::async, [&] {
            return transfer_by_key(*ledger, "k" + std::to_string(number), "q", "u0", "u1", 10);
        });
        while (asked.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
            run(*psql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        }
        answer = asked.get();
    } while (answer && number < 10'000);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(answer.error().message.find("whether it was stored is not certain"), std::string::npos)
        << answer.error().message;
    EXPECT_NE(answer.error().message.find("under its Idempotency-Key"), std::string::npos) << answer.error().message;
    ASSERT_TRUE(place.watch->trouble());
    run(*psql, "ALTER SYSTEM RESET synchronous_standby_names");
    run(*psql, "SELECT pg_reload_conf()");
    Result<LedgerAnswer> again;
    const std::string key = "k" + std::to_string(number);
    for (const auto deadline = clock_.now() + std::chrono::seconds(60); clock_.now() < deadline;) {
        again = transfer_by_key(*ledger, key, "q", "u0", "u1", 10);
        if (again) break;
    }
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->repeated);
    EXPECT_EQ(again->body, format_amount(kToken - 10 * number));
    const Reconciliation found = reconciled(place);
    EXPECT_TRUE(found.sound());
    EXPECT_EQ(found.transfers, 2 + number);
}

TEST_F(PostgresBooksTest, WithoutItsDatabaseNothingIsAnsweredAndAllIsWhenItIsThereAgain) {
    const auto server = testing::PostgresServer::start();
    ASSERT_NE(server, nullptr);
    const PostgresPlace place{.url = server->url(), .schema = "tidegate"};
    const auto ledger = ledger_at(place);
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    const auto balance = [&]() -> Result<Units> {
        Units out = 0;
        TG_CHECK(ledger->read([&](Books& books) -> Result<void> {
            TG_TRY(const User found, books.user(kAnn, "u0"));
            out = found.balance;
            return {};
        }));
        return out;
    };
    EXPECT_EQ(balance().value(), kToken);
    server->kill();
    const auto away = balance();
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().code, ErrorCode::kUnavailable);
    const auto refused = transfer_by_key(*ledger, "k", "q", "u0", "u1", 10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    ASSERT_TRUE(place.watch->trouble());
    EXPECT_FALSE(place.watch->trouble()->reason.empty());
    ASSERT_TRUE(server->restart());
    // For a second after an attempt that failed its error stands.
    Result<LedgerAnswer> done = std::unexpected(refused.error());
    for (const auto deadline = clock_.now() + std::chrono::seconds(60); !done && clock_.now() < deadline;) {
        done = transfer_by_key(*ledger, "k", "q", "u0", "u1", 10);
    }
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_FALSE(done->repeated);
    EXPECT_EQ(balance().value(), kToken - 10);
    EXPECT_FALSE(place.watch->trouble());
    // A restart while nobody asks is nobody's trouble.
    ASSERT_TRUE(server->restart());
    EXPECT_TRUE(transfer_by_key(*ledger, "k2", "q", "u0", "u1", 10));
    EXPECT_TRUE(reconciled(place).sound());
}

TEST_F(PostgresBooksTest, WhatPostgresCannotHoldIsRefusedAndAForgetfulServerToo) {
    const auto home = home_at(place_);
    const auto books = Books::open(*home, clock_, random_).value();
    User user;
    user.username = std::string("a\0b", 3);
    EXPECT_EQ(books->add_user(kAnn, user).error().code, ErrorCode::kFailedValidation);
    EXPECT_EQ(books->user(kAnn, user.username).error().code, ErrorCode::kFailedValidation);
    const auto server = testing::PostgresServer::start({"fsync=off"});
    ASSERT_NE(server, nullptr);
    const auto opened = PostgresBooks::open({.url = server->url(), .schema = "tidegate"}, clock_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("fsync"), std::string::npos) << opened.error().message;
}

}  // namespace
}  // namespace tidegate::content
