// The books in PostgreSQL: every statement has its index, several servers lose nothing, and nothing that fails looks like an empty answer.
#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "services/content/books_fixture.h"

namespace tidegate::content {
namespace {

using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

/// Each statement of a store, and how PostgreSQL says it would do it, with the values it had.
using Plans = std::map<std::string, std::string, std::less<>>;

class ExplainingStatement final : public BookStatement {
  public:
    ExplainingStatement(std::unique_ptr<BookStatement> asked, std::unique_ptr<BookStatement> explained,
                        std::string& plan)
        : asked_(std::move(asked)), explained_(std::move(explained)), plan_(plan) {}
    BookStatement& bind(int position, std::int64_t value) override { return both(position, value); }
    BookStatement& bind(int position, std::string_view text) override { return both(position, text); }
    BookStatement& bind(int position, Bytes bytes) override { return both(position, bytes); }
    Result<bool> step() override {
        if (!std::exchange(begun_, true)) {
            for (;;) {
                TG_TRY(const bool more, explained_->step());
                if (!more) break;
                plan_.append(explained_->text(0)).append("\n");
            }
            explained_->reset();
        }
        return asked_->step();
    }
    void reset() noexcept override {
        begun_ = false;
        asked_->reset();
    }
    std::int64_t integer(int column) const override { return asked_->integer(column); }
    std::string_view text(int column) const override { return asked_->text(column); }
    Bytes blob(int column) const override { return asked_->blob(column); }

  private:
    template <class T>
    BookStatement& both(int position, T value) {
        asked_->bind(position, value);
        explained_->bind(position, value);
        return *this;
    }
    std::unique_ptr<BookStatement> asked_, explained_;
    std::string& plan_;
    bool begun_ = false;
};

class ExplainingStore final : public BookStore {
  public:
    ExplainingStore(std::unique_ptr<BookStore> store, Plans& plans) : store_(std::move(store)), plans_(plans) {}
    Result<std::unique_ptr<BookStatement>> prepare(std::string_view sql) override {
        TG_TRY(auto asked, store_->prepare(sql));
        TG_TRY(auto explained, store_->prepare("EXPLAIN " + std::string(sql)));
        return std::make_unique<ExplainingStatement>(std::move(asked), std::move(explained), plans_[std::string(sql)]);
    }
    const BookDialect& dialect() const noexcept override { return store_->dialect(); }
    Result<void> begin_reading() override { return store_->begin_reading(); }
    Result<void> begin_writing(std::span<const std::string> tenants) override { return store_->begin_writing(tenants); }
    Result<void> commit() override { return store_->commit(); }
    void roll_back() noexcept override { store_->roll_back(); }
    bool in_transaction() const noexcept override { return store_->in_transaction(); }
    Result<void> savepoint() override { return store_->savepoint(); }
    Result<void> keep() override { return store_->keep(); }
    Result<void> undo() override { return store_->undo(); }
    bool may_repeat() const noexcept override { return store_->may_repeat(); }
    bool locked_out() const noexcept override { return store_->locked_out(); }

  private:
    std::unique_ptr<BookStore> store_;
    Plans& plans_;
};

class ExplainingHome final : public BookHome {
  public:
    ExplainingHome(std::unique_ptr<BookHome> home, Plans& plans) : home_(std::move(home)), plans_(plans) {}
    Result<std::unique_ptr<BookStore>> connect() override {
        TG_TRY(auto store, home_->connect());
        return std::make_unique<ExplainingStore>(std::move(store), plans_);
    }
    std::size_t readers_max() const noexcept override { return home_->readers_max(); }
    std::size_t batch_max() const noexcept override { return home_->batch_max(); }
    void give_up() noexcept override { home_->give_up(); }

  private:
    std::unique_ptr<BookHome> home_;
    Plans& plans_;
};

class PostgresBooksTest : public ::testing::Test {
  protected:
    void SetUp() override {
        NEED_POSTGRES();
        ASSERT_NE(shared_postgres(), nullptr);
        place_ = fresh_place();
    }
    std::unique_ptr<BookHome> home_at(const PostgresPlace& place) {
        auto opened = PostgresBooks::open(place, clock_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    std::unique_ptr<Ledger> ledger_at(const PostgresPlace& place) {
        return Ledger::open(home_at(place), clock_, random_).value();
    }
    std::unique_ptr<PostgresLink> link(const PostgresPlace& place) {
        store::PostgresOptions options;
        options.url = place.url;
        options.patience = std::chrono::minutes(2);
        auto connected = PostgresLink::connect(options, clock_);
        EXPECT_TRUE(connected) << connected.error().message;
        EXPECT_TRUE((*connected)->run("SET search_path = " + place.schema));
        return *std::move(connected);
    }
    static void run(PostgresLink& link, const std::string& statements) {
        const auto done = link.run(statements);
        ASSERT_TRUE(done) << done.error().message;
    }
    Reconciliation reconciled(const PostgresPlace& place) {
        const auto home = home_at(place);
        return Books::open(*home, clock_, random_).value()->reconcile().value();
    }

    SystemClock clock_;
    SystemRandom random_;
    PostgresPlace place_;
};

// 12,000 users of 400 tenants, a key each, with a card, a transfer and an attribution to the next one of the tenant; answers of today but for
// ten.
constexpr std::string_view kManyBooks = R"(
INSERT INTO content_accounts (tenant, kind) SELECT 'tenant' || n, 'supply' FROM generate_series(1, 401) n;
INSERT INTO content_accounts (tenant, kind, balance) SELECT 'tenant' || 1 + (n - 1) / 30, 'user', 1000000000 FROM generate_series(1, 12000) n;
INSERT INTO content_users (tenant, id, username, email, display_name, bio, avatar_url, owner, account, created_ms)
    SELECT tenant, 'u' || id - 401, 'name' || id - 401, '', '', '', '', 'key:' || id - 401, id, id FROM content_accounts WHERE kind = 'user';
INSERT INTO content_cards (tenant, id, "user", title, body, category, privacy_level, tags, metadata, parent_id, source_url, published, created_ms,
    updated_ms) SELECT tenant, 'c' || row, row, 'title', 'body', CASE WHEN row % 100 < 2 THEN 'GRIT' ELSE 'PROGRAM' END,
    CASE WHEN row % 50 < 1 THEN 'PERSONAL' ELSE 'IDEAS' END, '[]', '', '', '', CASE WHEN row % 60 < 1 THEN 1 ELSE 0 END, row, row
    FROM content_users;
INSERT INTO content_transfers (tenant, id, debit, credit, amount, kind, reason, card_id, attribution_id, actor, created_ms)
    SELECT u.tenant, 't' || u.row, u.account, v.account, 5, 'transfer', '', '', '', '', u.row FROM content_users u JOIN content_users v
    ON v.row = u.row + 1 AND v.tenant = u.tenant;
INSERT INTO content_entries (account, transfer, amount, balance_after) SELECT debit, row, -amount, 0 FROM content_transfers;
INSERT INTO content_entries (account, transfer, amount, balance_after) SELECT credit, row, amount, 0 FROM content_transfers;
INSERT INTO content_attributions (tenant, id, source, target, type, "user", author, context, excerpt, metadata, amount, transfer_id, created_ms)
    SELECT c.tenant, 'a' || c.row, c.row, d.row, 'reply', d."user", c."user", '', '', '', 0, '', c.row FROM content_cards c JOIN content_cards d
    ON d.row = c.row + 1 AND d.tenant = c.tenant;
INSERT INTO content_answers (tenant, actor, key, digest, status, body, created_ms)
    SELECT 'tenant' || 1 + n / 30, 'key:' || n, 'k' || n, ''::bytea, 200, '',
    CASE WHEN n > 10 THEN extract(epoch FROM now())::int8 * 1000 + n ELSE n END FROM generate_series(1, 12000) n;
)";
constexpr std::string_view kAnalyseBooks =
    "VACUUM ANALYZE content_accounts, content_users, content_cards, content_transfers, content_entries, "
    "content_attributions, content_answers";

/// Each question and each change of the books, of user u1203 and her key, or of an admin.
void ask_everything(Books& books) {
    const Actor ann{"tenant41", "key:1203", false}, root{"tenant41", "key:root", true};
    for (const Actor& actor : {ann, root}) {
        EXPECT_TRUE(books.user(actor, "u1203"));
        EXPECT_TRUE(books.users(actor, "", 0, 20));
        EXPECT_TRUE(books.card(actor, "c1211"));
        for (const CardFilter& filter : {CardFilter{}, CardFilter{.user_id = "u1211"}, CardFilter{.category = "GRIT"},
                                         CardFilter{.privacy_level = "PERSONAL"}, CardFilter{.published = true}}) {
            EXPECT_TRUE(books.cards(actor, filter, 0, 5));
        }
        EXPECT_TRUE(books.attribution(actor, "a1211"));
        EXPECT_TRUE(books.attributions_of_card(actor, "c1211", 0, 5));
        EXPECT_TRUE(books.attributions_received(actor, "u1211", 0, 5));
        EXPECT_TRUE(books.attributions_about(actor, "c1211", 5));
        EXPECT_TRUE(books.transfers(actor, "u1203", 0, 5));
        EXPECT_TRUE(books.stats(actor, "u1203"));
    }
    ASSERT_TRUE(books.store().begin_writing(std::vector<std::string>{"tenant41"}));
    BookMoment moment(books.store());
    User user;
    user.id = user.username = "new";
    EXPECT_TRUE(books.add_user(ann, user));
    Card card;
    card.id = "mine";
    card.user_id = "new";
    card.parent_id = "c1211";
    card.category = "GRIT";
    card.privacy_level = "IDEAS";
    EXPECT_TRUE(books.add_card(ann, card));
    EXPECT_TRUE(books.change_card(ann, books.card(ann, "mine").value()));
    EXPECT_TRUE(books.publish(ann, "mine"));
    EXPECT_TRUE(books.award(ann, "new", kToken, {}));
    EXPECT_TRUE(books.transfer(ann, "u1203", "u1211", 7, {}));
    EXPECT_TRUE(books.attribute(ann, {.source_card_id = "c1211", .target_card_id = "mine", .type = "citation"}, ""));
    EXPECT_TRUE(books.remove_card(ann, "mine"));
    EXPECT_TRUE(moment.commit());
}

class PostgresBookPlans : public PostgresBooksTest {
  protected:
    void make_plans() {
        ExplainingHome home(home_at(place_), plans_);
        const auto psql = link(place_);
        // What is inserted here follows no rule of the ledger but that its plans are those of many rows.
        run(*psql, "SET session_replication_role = replica");
        run(*psql, std::string(kManyBooks));
        run(*psql, std::string(kAnalyseBooks));
        const auto books = Books::open(home, clock_, random_).value();
        ask_everything(*books);
        auto ledger = Ledger::open(std::make_unique<ExplainingHome>(home_at(place_), plans_), clock_, random_).value();
        std::promise<Result<LedgerAnswer>> promise;
        auto answer = promise.get_future();
        ledger->submit({.actor = {"tenant41", "key:1203", false},
                        .key = "a key",
                        .digest = {},
                        .work = [](Books&) -> Result<LedgerAnswer> { return LedgerAnswer{}; },
                        .done = [&](Result<LedgerAnswer> got) { promise.set_value(std::move(got)); }});
        EXPECT_TRUE(answer.get());
    }
    Plans plans_;
};

TEST_F(PostgresBookPlans, EveryStatementUsesAnIndexAndEveryIndexHasItsStatement) {
    ASSERT_NO_FATAL_FAILURE(make_plans());
    std::string all;
    EXPECT_GE(plans_.size(), 30U);
    for (const auto& [sql, plan] : plans_) {
        EXPECT_NE(plan, "") << sql;
        EXPECT_EQ(plan.find("Seq Scan"), std::string::npos) << sql << ":\n" << plan;
        // Of two that touch a card the newest are sorted out; of all else the index has the order.
        const bool sorts = plan.find("Sort") != std::string::npos;
        const bool may_sort =
            sql.find("FOR UPDATE") != std::string::npos || sql.find(" OR x.target") != std::string::npos;
        EXPECT_TRUE(may_sort || !sorts) << sql << ":\n" << plan;
        all += plan;
    }
    const auto psql = link(place_);
    PostgresValues schema;
    schema.add(std::string_view(place_.schema));
    const PostgresRows rows = psql->run(
                                      "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1::text AND "
                                      "tablename <> 'schema_migrations'",
                                      schema)
                                  .value();
    EXPECT_EQ(rows.size(), 25);
    // Each keeps to a rule and is asked through no statement of ours: a number and an id are given once.
    const std::set<std::string, std::less<>> rules{"content_transfers_id_key", "content_attributions_pkey"};
    for (int row = 0; row < rows.size(); ++row) {
        const std::string name(rows.bytes(row, 0));
        if (!rules.contains(name)) EXPECT_NE(all.find(name + " "), std::string::npos) << name << " in\n" << all;
    }
}

TEST(PostgresStatements, AreThoseOfLedgerDbInItsWords) {
    const std::vector<BookValue> types{BookValue::kInteger, BookValue::kText, BookValue::kBytes};
    const auto said = [&](std::string_view sql) { return postgres_statement(sql, types).sql; };
    EXPECT_EQ(said("SELECT u.users FROM users u JOIN accounts a WHERE u.a = ?2 AND b < ?1 AND c = ?2"),
              "SELECT u.users FROM content_users u JOIN content_accounts a WHERE u.a = $1::text AND b < $2::int8 AND c "
              "= $1::text");
    EXPECT_EQ(said("INSERT INTO answers (a, b, c) VALUES (?, ?, ?)"),
              "INSERT INTO content_answers (a, b, c) VALUES ($1::int8, $2::text, $3::bytea)");
    EXPECT_EQ(said("UPDATE cards SET a = 'FROM users ?' WHERE instr(b, ?2) > 0"),
              "UPDATE content_cards SET a = 'FROM users ?' WHERE strpos(b, $1::text) > 0");
    EXPECT_EQ(postgres_statement("?3 ?1 ?3", types).values, (std::vector<int>{3, 1}));
}

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
