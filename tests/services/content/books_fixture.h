// Books in both homes, ledger.db and a schema of its own in one PostgreSQL for the process, and what the tests of them share.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "services/content/both_stores.h"
#include "services/content/ledger/ledger.h"
#include "services/content/ledger/postgres_books.h"
#include "services/content/ledger/sqlite_books.h"
#include "store/temporary_folder.h"

namespace tidegate::content {

inline const Actor kAnn{"t", "key:ann", false};
inline const Actor kBob{"t", "key:bob", false};
inline const Actor kElsewhere{"other", "key:ann", false};

/// "sqlite" and "postgres". Where PostgreSQL is not installed its half is skipped in clear words.
class BooksTest : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (in_postgres()) {
            NEED_POSTGRES();
            ASSERT_NE(shared_postgres(), nullptr);
            place_ = fresh_place();
        }
        home_ = home();
        books_ = Books::open(*home_, clock_, random_).value();
    }
    bool in_postgres() const { return GetParam() == "postgres"; }
    std::unique_ptr<BookHome> home() {
        if (!in_postgres()) return SqliteBooks::open(folder_.file("ledger.db"), clock_).value();
        return PostgresBooks::open(place_, postgres_clock_).value();
    }
    /// The books within a transaction of this one expression: `write()->award(...)`.
    class Writing {
      public:
        explicit Writing(Books& books) : books_(books) {
            EXPECT_TRUE(books.store().begin_writing(std::vector<std::string>{"t", "other"}));
        }
        ~Writing() { EXPECT_TRUE(books_.store().commit()); }
        Writing(const Writing&) = delete;
        Writing& operator=(const Writing&) = delete;
        Books* operator->() { return &books_; }

      private:
        Books& books_;
    };
    Writing write() { return Writing(*books_); }
    std::unique_ptr<Ledger> ledger() { return Ledger::open(home(), clock_, random_).value(); }
    /// Statements as psql or sqlite3 would send them.
    Result<void> execute(std::initializer_list<std::string_view> statements) {
        for (const std::string_view sql : statements) {
            TG_TRY(const auto statement, books_->store().prepare(sql));
            TG_CHECK(statement->run());
        }
        return {};
    }
    User add(const Actor& actor, const std::string& name) {
        User user;
        user.id = user.username = name;
        return write()->add_user(actor, user).value();
    }
    Card add_card(const Actor& actor, const std::string& user, const std::string& id, const std::string& level) {
        Card card;
        card.id = id;
        card.user_id = user;
        card.title = "Title of " + id;
        card.body = "Body.";
        card.category = "PROGRAM";
        card.privacy_level = level;
        card.tags = "[]";
        return write()->add_card(actor, card).value();
    }
    Units balance(const std::string& user) { return books_->user(kAnn, user).value().balance; }
    ErrorCode transfer_fails(const Actor& actor, std::string_view from, std::string_view to, Units amount) {
        const auto done = write()->transfer(actor, from, to, amount, {});
        EXPECT_FALSE(done);
        return done ? ErrorCode::kInternal : done.error().code;
    }
    Result<Attribution> cite(const Actor& actor, const std::string& source, const std::string& target,
                             const std::string& type) {
        Attribution wanted;
        wanted.source_card_id = source;
        wanted.target_card_id = target;
        wanted.type = type;
        return write()->attribute(actor, wanted, "");
    }
    void expect_sound() {
        const Reconciliation found = books_->reconcile().value();
        EXPECT_EQ(found.sum, 0);
        for (const std::string& fault : found.faults) ADD_FAILURE() << fault;
    }

    ManualClock clock_;
    SystemClock postgres_clock_;  // Of deadlines.
    PostgresPlace place_;
    SeededRandom random_{5};
    store::TemporaryFolder folder_;
    std::unique_ptr<BookHome> home_;
    std::unique_ptr<Books> books_;
};

/// A transfer through the ledger, waited for.
inline Result<LedgerAnswer> transfer_by_key(Ledger& ledger, std::string key, std::string digest, std::string from,
                                            std::string to, Units amount) {
    std::promise<Result<LedgerAnswer>> promise;
    auto answer = promise.get_future();
    Transfer note;
    note.reason = key;
    ledger.submit({.actor = kAnn,
                   .key = std::move(key),
                   .digest = sha256(digest),
                   .work = [=](Books& books) -> Result<LedgerAnswer> {
                       TG_TRY(const Transfer done, books.transfer(kAnn, from, to, amount, note));
                       return LedgerAnswer{200, format_amount(done.from_balance), false};
                   },
                   .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
    return answer.get();
}

inline Result<LedgerAnswer> fund(Ledger& ledger, int users, Units each) {
    std::promise<Result<LedgerAnswer>> promise;
    auto answer = promise.get_future();
    ledger.submit({.actor = kAnn,
                   .key = "fund",
                   .digest = {},
                   .work = [=](Books& books) -> Result<LedgerAnswer> {
                       for (int i = 0; i < users; ++i) {
                           User user;
                           user.id = user.username = "u" + std::to_string(i);
                           TG_CHECK(books.add_user(kAnn, user));
                           TG_CHECK(books.award(kAnn, user.id, each, {}));
                       }
                       return LedgerAnswer{};
                   },
                   .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
    return answer.get();
}

}  // namespace tidegate::content
