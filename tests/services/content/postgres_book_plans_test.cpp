// The books in PostgreSQL: every statement has its index, and every index its statement.
#include <algorithm>
#include <future>
#include <map>
#include <set>

#include "services/content/postgres_books_fixture.h"

namespace tidegate::content {
namespace {

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

}  // namespace
}  // namespace tidegate::content
