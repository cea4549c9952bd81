// Tokens: never below zero, never made or lost by a transfer, each change once, also over kills.
#include "services/content/ledger/ledger.h"

#include <gtest/gtest.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <future>
#include <map>
#include <set>

#include "services/content/ledger/sqlite_books.h"
#include "store/temporary_folder.h"

namespace tidegate::content {
namespace {

const Actor kAnn{"t", "key:ann", false};
const Actor kBob{"t", "key:bob", false};
const Actor kElsewhere{"other", "key:ann", false};

TEST(Amounts, AreDecimalsOfEightPlaces) {
    EXPECT_EQ(parse_amount("0.1"), 10'000'000);
    EXPECT_EQ(parse_amount("12.00000001"), 1'200'000'001);
    EXPECT_EQ(parse_amount("1000000000"), kAmountMax);
    for (const std::string_view wrong : {"", "0", "0.0", "-1", "+1", "1.", ".5", "1e3", " 1", "1.000000001",
                                         "1000000000.00000001", "99999999999", "1,5", "NaN"}) {
        EXPECT_FALSE(parse_amount(wrong)) << wrong;
    }
    EXPECT_EQ(format_amount(-10'000'001), "-0.10000001");
    EXPECT_EQ(format_amount(3 * kToken), "3.00000000");
}

class BooksTest : public ::testing::Test {
  protected:
    void SetUp() override {
        home_ = SqliteBooks::open(folder_.file("ledger.db"), clock_).value();
        books_ = Books::open(*home_, clock_, random_).value();
    }
    std::unique_ptr<Ledger> ledger(const std::string& name) {
        return Ledger::open(SqliteBooks::open(folder_.file(name), clock_).value(), clock_, random_).value();
    }
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
        return books_->add_user(actor, user).value();
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
        return books_->add_card(actor, card).value();
    }
    Units balance(const std::string& user) { return books_->user(kAnn, user).value().balance; }
    ErrorCode transfer_fails(const Actor& actor, std::string_view from, std::string_view to, Units amount) {
        const auto done = books_->transfer(actor, from, to, amount, {});
        EXPECT_FALSE(done);
        return done ? ErrorCode::kInternal : done.error().code;
    }
    Result<Attribution> cite(const Actor& actor, const std::string& source, const std::string& target,
                             const std::string& type) {
        Attribution wanted;
        wanted.source_card_id = source;
        wanted.target_card_id = target;
        wanted.type = type;
        return books_->attribute(actor, wanted, "");
    }
    void expect_sound() {
        const Reconciliation found = books_->reconcile().value();
        EXPECT_EQ(found.sum, 0);
        for (const std::string& fault : found.faults) ADD_FAILURE() << fault;
    }

    ManualClock clock_;
    SeededRandom random_{5};
    store::TemporaryFolder folder_;
    std::unique_ptr<BookHome> home_;
    std::unique_ptr<Books> books_;
};

TEST_F(BooksTest, ATransferMovesWhatItSaysAndNothingElse) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(books_->award(kAnn, "ann", 5 * kToken, {}));
    const Transfer done = books_->transfer(kAnn, "ann", "bob", 2 * kToken, {}).value();
    EXPECT_EQ(done.from_balance, 3 * kToken);
    EXPECT_EQ(done.to_balance, 2 * kToken);
    EXPECT_EQ(balance("ann"), 3 * kToken);
    EXPECT_EQ(balance("bob"), 2 * kToken);
    const auto page = books_->transfers(kAnn, "ann", 0, 10).value();
    ASSERT_EQ(page.items.size(), 2U);
    EXPECT_EQ(page.items[0].to_user_id, "bob");
    EXPECT_TRUE(page.items[1].from_user_id.empty());
    const TokenStats stats = books_->stats(kAnn, "ann").value();
    EXPECT_EQ(stats.earned, 5 * kToken);
    EXPECT_EQ(stats.spent, 2 * kToken);
    EXPECT_EQ(stats.minted, 5 * kToken);
    expect_sound();
}

TEST_F(BooksTest, ATransferThatMayNotBeLeavesAllAsItWas) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(books_->award(kAnn, "ann", kToken, {}));
    EXPECT_EQ(transfer_fails(kAnn, "ann", "bob", kToken + 1), ErrorCode::kFailedValidation);
    EXPECT_EQ(transfer_fails(kAnn, "ann", "ann", 1), ErrorCode::kFailedValidation);
    EXPECT_EQ(transfer_fails(kAnn, "ann", "nobody", 1), ErrorCode::kNotFound);
    EXPECT_EQ(transfer_fails(kBob, "ann", "bob", 1), ErrorCode::kPermissionDenied);
    EXPECT_EQ(transfer_fails(kElsewhere, "ann", "bob", 1), ErrorCode::kNotFound);
    EXPECT_EQ(balance("ann"), kToken);
    expect_sound();
}

TEST_F(BooksTest, EntriesCanNeitherBeChangedNorRemoved) {
    add(kAnn, "ann");
    ASSERT_TRUE(books_->award(kAnn, "ann", kToken, {}));
    for (const std::string_view sql :
         {"UPDATE entries SET amount = 1", "DELETE FROM entries", "UPDATE transfers SET amount = 1",
          "DELETE FROM transfers", "UPDATE accounts SET balance = -1 WHERE kind = 'user'"}) {
        EXPECT_FALSE(execute({sql})) << sql;
    }
}

TEST_F(BooksTest, ReconciliationFindsABalanceThatDoesNotFollowFromItsEntries) {
    const User ann = add(kAnn, "ann");
    ASSERT_TRUE(books_->award(kAnn, "ann", kToken, {}));
    expect_sound();
    ASSERT_TRUE(execute({"UPDATE accounts SET balance = balance + 1 WHERE kind = 'user'"}));
    const Reconciliation found = books_->reconcile().value();
    ASSERT_EQ(found.faults.size(), 1U);
    EXPECT_EQ(found.faults[0],
              "account " + std::to_string(ann.account) + ": its entries add up to 100000000, its balance is 100000001");
    EXPECT_FALSE(found.sound());
}

TEST_F(BooksTest, PublishingEarnsOnceAndOnlyWhereOthersMayRead) {
    add(kAnn, "ann");
    add_card(kAnn, "ann", "open", "BUSINESS");
    add_card(kAnn, "ann", "shut", "PRIVATE");
    EXPECT_EQ(books_->publish(kAnn, "shut").error().code, ErrorCode::kFailedValidation);
    Card card = books_->publish(kAnn, "open").value();
    EXPECT_TRUE(card.published);
    EXPECT_EQ(card.published_url, "/cards/title-of-open-open");
    EXPECT_EQ(balance("ann"), kPublishReward);
    card.privacy_level = "PRIVATE";
    EXPECT_FALSE(books_->change_card(kAnn, card).value().published);
    card.privacy_level = "IDEAS";
    ASSERT_TRUE(books_->change_card(kAnn, card));
    ASSERT_TRUE(books_->publish(kAnn, "open"));
    EXPECT_EQ(balance("ann"), kPublishReward);
    EXPECT_EQ(books_->publish(kBob, "open").error().code, ErrorCode::kPermissionDenied);
}

TEST_F(BooksTest, APrivateCardIsThereForItsOwnerAlone) {
    add(kAnn, "ann");
    add_card(kAnn, "ann", "shut", "PERSONAL");
    add_card(kAnn, "ann", "open", "IDEAS");
    EXPECT_EQ(books_->card(kBob, "shut").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(books_->cards(kBob, {}, 0, 10).value().items.size(), 1U);
    EXPECT_EQ(books_->cards(kAnn, {}, 0, 10).value().items.size(), 2U);
    EXPECT_EQ(books_->cards({"t", "key:root", true}, {}, 0, 10).value().items.size(), 2U);
    CardFilter filter;
    filter.text = "TITLE OF SHUT";
    EXPECT_EQ(books_->cards(kAnn, filter, 0, 10).value().items.size(), 1U);
    EXPECT_EQ(books_->cards(kElsewhere, {}, 0, 10).value().items.size(), 0U);
    ASSERT_TRUE(books_->remove_card(kAnn, "shut"));
    EXPECT_EQ(books_->card(kAnn, "shut").error().code, ErrorCode::kNotFound);
}

TEST_F(BooksTest, AnAttributionPaysTheAuthorOnceOrIsNotThere) {
    add(kAnn, "ann");
    add(kBob, "bob");
    add_card(kAnn, "ann", "source", "IDEAS");
    add_card(kAnn, "ann", "mine", "IDEAS");
    add_card(kBob, "bob", "target", "IDEAS");
    EXPECT_EQ(cite(kBob, "source", "target", "remix").error().code, ErrorCode::kFailedValidation);  // No tokens.
    ASSERT_TRUE(books_->award(kBob, "bob", kToken, {}));
    EXPECT_EQ(cite(kBob, "source", "target", "remix").value().amount, kToken / 2);
    EXPECT_EQ(cite(kBob, "source", "target", "remix").error().code, ErrorCode::kConflict);
    EXPECT_EQ(cite(kBob, "source", "target", "citation").value().amount, kToken / 10);
    EXPECT_EQ(cite(kBob, "source", "target", "reply").value().amount, kToken / 20);
    EXPECT_EQ(cite(kBob, "target", "target", "reply").error().code, ErrorCode::kFailedValidation);
    EXPECT_EQ(cite(kBob, "target", "mine", "reply").error().code, ErrorCode::kPermissionDenied);
    EXPECT_EQ(cite(kBob, "source", "nothing", "reply").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(cite(kBob, "source", "target", "theft").error().code, ErrorCode::kFailedValidation);
    EXPECT_EQ(cite(kAnn, "source", "mine", "citation").value().amount, 0);  // Nothing is owed to oneself.
    EXPECT_EQ(balance("ann"), kToken * 65 / 100);
    EXPECT_EQ(balance("bob"), kToken * 35 / 100);
    EXPECT_EQ(books_->attributions_of_card(kAnn, "source", 0, 10).value().items.size(), 4U);
    EXPECT_EQ(books_->attributions_received(kAnn, "ann", 0, 10).value().items.size(), 4U);
    EXPECT_EQ(books_->attributions_about(kAnn, "target", 10).value().size(), 3U);
    expect_sound();
}

TEST_F(BooksTest, AnAttributionDoesNotShowAPrivateCardToOthers) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(books_->award(kBob, "bob", kToken, {}));
    add_card(kAnn, "ann", "open", "IDEAS");
    add_card(kBob, "bob", "shut", "PRIVATE");
    add_card(kBob, "bob", "also", "PRIVATE");
    Attribution wanted;
    wanted.source_card_id = "open";
    wanted.target_card_id = "shut";
    wanted.type = "citation";
    wanted.context = "Secret";
    wanted.excerpt = "Secret";
    const std::string id = books_->attribute(kBob, wanted, R"({"a":1})").value().id;
    const std::string hidden = cite(kBob, "also", "shut", "citation").value().id;
    const Actor root{"t", "key:root", true};
    for (const Actor& actor : {kAnn, kBob, root}) {
        const bool sees = actor.name != kAnn.name;
        for (const Attribution& one : {books_->attribution(actor, id).value(),
                                       books_->attributions_of_card(actor, "open", 0, 9).value().items.at(0),
                                       books_->attributions_received(actor, "ann", 0, 9).value().items.at(0),
                                       books_->attributions_about(actor, "open", 9).value().at(0)}) {
            EXPECT_EQ(one.source_card_id, "open");
            EXPECT_EQ(one.author_id, "ann");
            EXPECT_EQ(one.target_card_id, sees ? "shut" : "");
            EXPECT_EQ(one.user_id, sees ? "bob" : "");
            EXPECT_EQ(one.context, sees ? "Secret" : "");
            EXPECT_EQ(one.excerpt, sees ? "Secret" : "");
            EXPECT_EQ(one.metadata, sees ? R"({"a":1})" : "");
        }
        EXPECT_EQ(books_->attribution(actor, hidden).has_value(), sees);
        EXPECT_EQ(books_->attributions_received(actor, "bob", 0, 9).value().items.size(), sees ? 1U : 0U);
    }
}

TEST_F(BooksTest, SumsMayBeMoreThanAllTokensThereAre) {
    add(kAnn, "ann");
    add(kBob, "bob");
    ASSERT_TRUE(books_->award(kAnn, "ann", kAmountMax, {}));
    for (int i = 0; i < 60; ++i) {  // Of 10^17: 63 bits hold 92.
        ASSERT_TRUE(books_->transfer(kAnn, "ann", "bob", kAmountMax, {}));
        ASSERT_TRUE(books_->transfer(kBob, "bob", "ann", kAmountMax, {}));
    }
    add(kElsewhere, "cat");
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(books_->award(kElsewhere, "cat", kAmountMax, {}));
    const TokenStats stats = books_->stats(kBob, "bob").value();
    EXPECT_EQ(format_sum(stats.earned), "60000000000.00000000");
    EXPECT_EQ(format_sum(stats.spent), "60000000000.00000000");
    expect_sound();
}

TEST_F(BooksTest, ReconciliationLetsNoTenantMakeUpForAnother) {
    const User ann = add(kAnn, "ann");
    const User cat = add(kElsewhere, "cat");
    ASSERT_TRUE(books_->award(kAnn, "ann", kToken, {}));
    ASSERT_TRUE(books_->award(kElsewhere, "cat", kToken, {}));
    // As if an entry had been written to an account of another tenant.
    ASSERT_TRUE(execute({"DROP TRIGGER entries_stay",
                         "UPDATE entries SET amount = 70000000 WHERE account = " + std::to_string(ann.account),
                         "UPDATE entries SET amount = 130000000 WHERE account = " + std::to_string(cat.account)}));
    const Reconciliation found = books_->reconcile().value();
    EXPECT_FALSE(found.sound());
    EXPECT_NE(found.sum, 0);
    EXPECT_NE(found.faults.at(0).find("its entries add up to 0.30000000, not to 0"), std::string::npos)
        << found.faults.at(0);
}

TEST_F(BooksTest, APageOfLongCardsEndsByItsBytes) {
    add(kAnn, "ann");
    for (int i = 0; i < 3; ++i) {
        Card card = add_card(kAnn, "ann", "c" + std::to_string(i), "IDEAS");
        card.body.assign(std::size_t{5} * 1024 * 1024, 'x');
        ASSERT_TRUE(books_->change_card(kAnn, card));
    }
    const auto first = books_->cards(kAnn, {}, 0, 100).value();
    EXPECT_EQ(first.items.size(), 2U);
    EXPECT_EQ(books_->cards(kAnn, {}, first.next, 100).value().items.at(0).id, "c0");
}

TEST_F(BooksTest, NamesAreOnceATenantWhateverTheirCase) {
    add(kAnn, "ann");
    User again;
    again.username = "ANN";
    EXPECT_EQ(books_->add_user(kBob, again).error().code, ErrorCode::kConflict);
    EXPECT_TRUE(books_->add_user(kElsewhere, again));
}

TEST_F(BooksTest, EveryQuestionOfTheBooksHasAnIndex) {
    const std::vector<std::pair<std::string, std::string>> plans{
        {"SELECT * FROM users WHERE tenant = 't' AND id = 'x'", "users_by_id"},
        {"SELECT 1 FROM users WHERE tenant = 't' AND lower(username) = lower('x')", "users_by_name"},
        {"SELECT * FROM users WHERE tenant = 't' AND row < 9 ORDER BY row DESC LIMIT 3", "users_newest"},
        {"SELECT * FROM cards WHERE tenant = 't' AND id = 'x'", "cards_by_id"},
        {"SELECT * FROM cards WHERE tenant = 't' AND row < 9 AND removed = 0 ORDER BY row DESC LIMIT 3",
         "cards_newest"},
        {"SELECT * FROM cards WHERE user = 1 AND row < 9 AND removed = 0 ORDER BY row DESC LIMIT 3", "cards_of_user"},
        {"SELECT * FROM cards WHERE tenant = 't' AND category = 'x' AND row < 9 AND removed = 0 ORDER BY row DESC "
         "LIMIT 3",
         "cards_of_category"},
        {"SELECT * FROM cards WHERE tenant = 't' AND privacy_level = 'x' AND row < 9 AND removed = 0 ORDER BY row DESC "
         "LIMIT 3",
         "cards_of_level"},
        {"SELECT 1 FROM attributions WHERE source = 1 AND target = 2 AND type = 'x'", "attributions_once"},
        {"SELECT * FROM attributions x WHERE x.source = 1 AND x.row < 9 ORDER BY x.row DESC LIMIT 3",
         "attributions_of_source"},
        {"SELECT * FROM attributions x WHERE x.author = 1 AND x.row < 9 ORDER BY x.row DESC LIMIT 3",
         "attributions_of_author"},
        {"SELECT * FROM entries WHERE account = 1 AND transfer < 9 ORDER BY transfer DESC LIMIT 3", "PRIMARY KEY"},
        {"DELETE FROM answers WHERE created_ms < 9", "answers_by_age"},
        {"SELECT body FROM answers WHERE tenant = 't' AND actor = 'a' AND key = 'k'", "PRIMARY KEY"}};
    for (const auto& [sql, index] : plans) {
        const auto statement = books_->store().prepare("EXPLAIN QUERY PLAN " + sql).value();
        std::string plan;
        while (statement->step().value()) plan += std::string(statement->text(3)) + "; ";
        EXPECT_NE(plan.find(index), std::string::npos) << sql << ": " << plan;
        EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << ": " << plan;
    }
}

/// A transfer through the ledger, waited for.
Result<LedgerAnswer> transfer_by_key(Ledger& ledger, std::string key, std::string digest, std::string from,
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

Result<LedgerAnswer> fund(Ledger& ledger, int users, Units each) {
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

TEST_F(BooksTest, TheSameKeyGivesTheSameAnswerAndAnotherQuestionUnderItIsAConflict) {
    auto ledger = this->ledger("once.db");
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    EXPECT_EQ(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().body, "0.99999990");
    const LedgerAnswer again = transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value();
    EXPECT_EQ(again.body, "0.99999990");
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(transfer_by_key(*ledger, "k", "other", "u0", "u1", 10).error().code, ErrorCode::kConflict);
    // What failed was not done and leaves its key free.
    EXPECT_FALSE(transfer_by_key(*ledger, "late", "q", "u1", "u0", 2 * kToken));
    EXPECT_TRUE(transfer_by_key(*ledger, "late", "q2", "u1", "u0", 1));
    ledger.reset();
    ledger = this->ledger("once.db");
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    ledger->stop();
    EXPECT_EQ(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).error().code, ErrorCode::kUnavailable);
}

TEST_F(BooksTest, AKeptAnswerEndsAfterADayAndWithTheCardItNames) {
    auto ledger = this->ledger("kept.db");
    ASSERT_TRUE(fund(*ledger, 2, kToken));
    EXPECT_EQ(ledger->changes(), 1U);
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "other", "u0", "u1", 10));
    EXPECT_EQ(ledger->changes(), 2U);  // Neither a repeat nor a refusal is one.
    clock_.advance(Ledger::kAnswerKept + std::chrono::seconds(1));
    EXPECT_FALSE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
    const auto by_key = [&](std::string key, std::function<Result<std::string>(Books&)> work) {
        std::promise<Result<LedgerAnswer>> promise;
        auto answer = promise.get_future();
        ledger->submit({.actor = kAnn,
                        .key = std::move(key),
                        .digest = {},
                        .work = [&](Books& books) -> Result<LedgerAnswer> {
                            TG_TRY(std::string body, work(books));
                            return LedgerAnswer{200, std::move(body), false};
                        },
                        .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
        return answer.get();
    };
    Card card;
    card.id = "c1";
    card.user_id = "u0";
    card.privacy_level = "PRIVATE";
    const auto add = [&](Books& books) -> Result<std::string> {
        TG_TRY(const Card made, books.add_card(kAnn, card));
        return "{\"card_id\":\"" + made.id + "\",\"body\":\"secret\"}";
    };
    ASSERT_TRUE(by_key("card", add));
    ASSERT_TRUE(by_key("card", add).value().repeated);
    ASSERT_TRUE(by_key("", [](Books& books) -> Result<std::string> {
        TG_CHECK(books.remove_card(kAnn, "c1"));
        return "{}";
    }));
    EXPECT_EQ(by_key("card", add).error().code, ErrorCode::kNotFound);
    EXPECT_TRUE(transfer_by_key(*ledger, "k", "q", "u0", "u1", 10).value().repeated);
}

constexpr int kClients = 32;
constexpr Units kEach = 50;

/// Transfers at random until it is killed; writes `client number` to `out` for each that was acknowledged.
[[noreturn]] void transfer_for_ever(const std::string& path, const std::array<int, kClients>& begin, int out) {
    const SystemClock clock;
    SystemRandom random;
    auto home = SqliteBooks::open(path, clock);
    if (!home) _exit(1);
    auto ledger = Ledger::open(*std::move(home), clock, random);
    if (!ledger || !fund(**ledger, kClients, kEach)) _exit(1);
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
        clients.emplace_back([&, client] {
            for (int number = begin[static_cast<std::size_t>(client)];; ++number) {
                const std::uint64_t chance = mix64(static_cast<std::uint64_t>(client * 1'000'000 + number + 1));
                const std::string key = std::to_string(client) + " " + std::to_string(number);
                const auto from = "u" + std::to_string(chance % kClients),
                           to = "u" + std::to_string((chance >> 8U) % kClients);
                const auto done =
                    transfer_by_key(**ledger, key, key, from, to, 1 + static_cast<Units>((chance >> 16U) % 20));
                const std::string line = key + (done ? " 1\n" : " 0\n");
                if (write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(2);
            }
        });
    }
    for (std::thread& one : clients) one.join();
    _exit(3);
}

TEST_F(BooksTest, KilledAtAnyMomentTheSumHoldsAndEveryAcknowledgedTransferIsThereOnce) {
    const std::string path = folder_.file("killed.db");
    std::set<std::string> acknowledged;
    std::array<int, kClients> begin{};
    for (int kill_number = 0; kill_number < 5; ++kill_number) {
        std::array<int, 2> ends{};
        ASSERT_EQ(pipe(ends.data()), 0);
        const pid_t child = fork();
        if (child == 0) transfer_for_ever(path, begin, ends[1]);
        ::close(ends[1]);
        FILE* const lines = fdopen(ends[0], "r");
        int client = 0, number = 0, moved = 0;
        for (int read = 0; fscanf(lines, "%d %d %d", &client, &number, &moved) == 3; ++read) {
            // Whatever came after the kill was acknowledged too, as long as its line is in the pipe.
            if (read == 100 + 40 * kill_number) kill(child, SIGKILL);
            begin[static_cast<std::size_t>(client)] = number + 1;
            if (moved == 1) acknowledged.insert(std::to_string(client) + " " + std::to_string(number));
        }
        (void)fclose(lines);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
        const auto home = SqliteBooks::open(path, clock_).value();
        auto books = Books::open(*home, clock_, random_).value();
        const Reconciliation found = books->reconcile().value();
        EXPECT_TRUE(found.sound()) << (found.faults.empty() ? "" : found.faults.front());
        EXPECT_EQ(books->store().number("SELECT sum(balance) FROM accounts WHERE kind = 'user'").value(),
                  kClients * kEach);
        std::map<std::string, int, std::less<>> times;
        const auto rows =
            books->store().prepare("SELECT reason, count(*) FROM transfers WHERE reason <> '' GROUP BY reason").value();
        while (rows->step().value()) times.emplace(rows->text(0), static_cast<int>(rows->integer(1)));
        for (const std::string& key : acknowledged) EXPECT_EQ(times[key], 1) << key;
        for (const auto& [key, count] : times) EXPECT_EQ(count, 1) << key;
    }
    EXPECT_GT(acknowledged.size(), 100U);
}

}  // namespace
}  // namespace tidegate::content
