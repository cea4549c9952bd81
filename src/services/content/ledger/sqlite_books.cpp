#include "services/content/ledger/sqlite_books.h"

#include <array>
#include <limits>
#include <utility>

#include "store/migrations.h"
#include "store/sqlite.h"

namespace tidegate::content {
namespace {

// Indexes, each for a question: users and cards by id, by name, newest first; cards of a user, of a category, of a level, those published;
// attributions of a card at either end, of an author; entries of an account newest first (the table's own order).
constexpr std::array<store::Migration, 2> kBooksMigrations{
    {{1, "users, cards, attributions, ledger",
      "CREATE TABLE accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, kind TEXT NOT NULL CHECK "
      "(kind IN ('supply',"
      " 'user')), balance INTEGER NOT NULL DEFAULT 0, CHECK (kind = 'supply' OR balance >= 0));"
      "CREATE UNIQUE INDEX accounts_supply ON accounts (tenant) WHERE kind = 'supply';"
      "CREATE TABLE users (row INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL, username "
      "TEXT NOT NULL,"
      " email TEXT NOT NULL, display_name TEXT NOT NULL, bio TEXT NOT NULL, avatar_url TEXT NOT NULL, owner TEXT NOT "
      "NULL,"
      " account INTEGER NOT NULL UNIQUE REFERENCES accounts(id), created_ms INTEGER NOT NULL);"
      "CREATE UNIQUE INDEX users_by_id ON users (tenant, id);"
      "CREATE UNIQUE INDEX users_by_name ON users (tenant, lower(username));"
      "CREATE INDEX users_newest ON users (tenant, row DESC);"
      "CREATE TABLE cards (row INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL, user INTEGER "
      "NOT NULL"
      " REFERENCES users(row), title TEXT NOT NULL, body TEXT NOT NULL, category TEXT NOT NULL, privacy_level TEXT NOT "
      "NULL,"
      " tags TEXT NOT NULL, metadata TEXT NOT NULL, parent_id TEXT NOT NULL, source_url TEXT NOT NULL, published "
      "INTEGER NOT NULL"
      " DEFAULT 0, published_url TEXT NOT NULL DEFAULT '', rewarded INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT "
      "NULL DEFAULT 0,"
      " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);"
      "CREATE UNIQUE INDEX cards_by_id ON cards (tenant, id);"
      "CREATE INDEX cards_newest ON cards (tenant, row DESC) WHERE removed = 0;"
      "CREATE INDEX cards_of_user ON cards (user, row DESC) WHERE removed = 0;"
      "CREATE INDEX cards_of_category ON cards (tenant, category, row DESC) WHERE removed = 0;"
      "CREATE INDEX cards_of_level ON cards (tenant, privacy_level, row DESC) WHERE removed = 0;"
      "CREATE INDEX cards_published ON cards (tenant, row DESC) WHERE published = 1 AND removed = 0;"
      "CREATE TABLE transfers (row INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL UNIQUE, "
      "debit INTEGER NOT"
      " NULL REFERENCES accounts(id), credit INTEGER NOT NULL REFERENCES accounts(id), amount INTEGER NOT NULL CHECK "
      "(amount > 0),"
      " kind TEXT NOT NULL, reason TEXT NOT NULL, card_id TEXT NOT NULL, attribution_id TEXT NOT NULL, actor TEXT NOT "
      "NULL,"
      " created_ms INTEGER NOT NULL, CHECK (debit <> credit));"
      "CREATE TABLE entries (account INTEGER NOT NULL REFERENCES accounts(id), transfer INTEGER NOT NULL REFERENCES "
      "transfers(row),"
      " amount INTEGER NOT NULL CHECK (amount <> 0), balance_after INTEGER NOT NULL, PRIMARY KEY (account, transfer)) "
      "WITHOUT ROWID;"
      "CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers BEGIN SELECT RAISE(ABORT, 'a transfer never changes'); "
      "END;"
      "CREATE TRIGGER transfers_last BEFORE DELETE ON transfers BEGIN SELECT RAISE(ABORT, 'a transfer is never "
      "removed'); END;"
      "CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'an entry never changes'); END;"
      "CREATE TRIGGER entries_last BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'an entry is never removed'); "
      "END;"
      "CREATE TABLE attributions (row INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL "
      "UNIQUE, source INTEGER"
      " NOT NULL REFERENCES cards(row), target INTEGER NOT NULL REFERENCES cards(row), type TEXT NOT NULL, user "
      "INTEGER NOT NULL"
      " REFERENCES users(row), author INTEGER NOT NULL REFERENCES users(row), context TEXT NOT NULL, excerpt TEXT NOT "
      "NULL, metadata TEXT"
      " NOT NULL, amount INTEGER NOT NULL, transfer_id TEXT NOT NULL, created_ms INTEGER NOT NULL, CHECK (source <> "
      "target));"
      "CREATE UNIQUE INDEX attributions_once ON attributions (source, target, type);"
      "CREATE INDEX attributions_of_source ON attributions (source, row DESC);"
      "CREATE INDEX attributions_of_target ON attributions (target, row DESC);"
      "CREATE INDEX attributions_of_author ON attributions (author, row DESC);"
      "CREATE TABLE answers (tenant TEXT NOT NULL, actor TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, "
      "status INTEGER NOT NULL,"
      " body TEXT NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (tenant, actor, key)) WITHOUT ROWID;"},
     {2, "answers by their age, what a transfer was given along",
      "CREATE INDEX answers_by_age ON answers (created_ms);"
      "ALTER TABLE transfers ADD COLUMN metadata TEXT NOT NULL DEFAULT '';"}}};

constexpr BookDialect kSqliteDialect{.lock_rows = "",  // BEGIN IMMEDIATE has locked them all.
                                     .forget_answers = "DELETE FROM answers WHERE created_ms < ?1",
                                     .answer_time = "?7",
                                     .rows_at_once = std::numeric_limits<std::int64_t>::max()};

class SqliteBookStatement final : public BookStatement {
  public:
    explicit SqliteBookStatement(store::Statement statement) : statement_(std::move(statement)) {}

    BookStatement& bind(int position, std::int64_t value) override {
        statement_.bind(position, value);
        return *this;
    }
    BookStatement& bind(int position, std::string_view text) override {
        statement_.bind(position, text);
        return *this;
    }
    BookStatement& bind(int position, Bytes bytes) override {
        statement_.bind(position, bytes);
        return *this;
    }
    Result<bool> step() override { return statement_.step(); }
    void reset() noexcept override { statement_.reset(); }
    std::int64_t integer(int column) const override { return statement_.integer(column); }
    std::string_view text(int column) const override { return statement_.text(column); }
    Bytes blob(int column) const override { return statement_.blob(column); }

  private:
    store::Statement statement_;
};

class SqliteBookStore final : public BookStore {
  public:
    explicit SqliteBookStore(store::Database database) : database_(std::move(database)) {}

    Result<std::unique_ptr<BookStatement>> prepare(std::string_view sql) override {
        TG_TRY(store::Statement statement, database_.prepare(sql));
        return std::make_unique<SqliteBookStatement>(std::move(statement));
    }
    const BookDialect& dialect() const noexcept override { return kSqliteDialect; }
    Result<void> begin_reading() override { return database_.execute("BEGIN"); }
    Result<void> begin_writing(std::span<const std::string>) override { return database_.execute("BEGIN IMMEDIATE"); }
    Result<void> commit() override { return database_.execute("COMMIT"); }
    void roll_back() noexcept override {
        // SQLite may have rolled back by itself (disk full, I/O error).
        if (in_transaction()) static_cast<void>(database_.execute("ROLLBACK"));
    }
    bool in_transaction() const noexcept override { return database_.in_transaction(); }
    Result<void> savepoint() override { return database_.execute("SAVEPOINT change"); }
    Result<void> keep() override { return database_.execute("RELEASE change"); }
    Result<void> undo() override { return database_.execute("ROLLBACK TO change; RELEASE change"); }
    bool may_repeat() const noexcept override { return false; }
    bool locked_out() const noexcept override { return false; }

  private:
    store::Database database_;
};

Result<store::Database> open_ledger(const std::string& path) {
    return store::Database::open({.path = path, .vfs = {}});
}

}  // namespace

Result<std::unique_ptr<BookHome>> SqliteBooks::open(std::string path, const Clock& clock) {
    TG_TRY(store::Database database, open_ledger(path));
    TG_CHECK(store::migrate(database, "ledger", kBooksMigrations, clock));
    return std::unique_ptr<BookHome>(new SqliteBooks(std::move(path)));
}

Result<std::unique_ptr<BookStore>> SqliteBooks::connect() {
    TG_TRY(store::Database database, open_ledger(path_));
    return std::make_unique<SqliteBookStore>(std::move(database));
}

}  // namespace tidegate::content
