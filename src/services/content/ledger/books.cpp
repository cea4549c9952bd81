// Books: the tables, users and what tokens move.
#include "services/content/ledger/books.h"

#include <array>

#include "base/ids.h"
#include "base/strings.h"
#include "services/content/ledger/sql.h"
#include "store/migrations.h"

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

constexpr std::string_view kUserColumns =
    "u.row, u.id, u.username, u.email, u.display_name, u.bio, u.avatar_url, u.owner, u.account, u.created_ms, "
    "a.balance";
constexpr std::string_view kUserTables = " FROM users u JOIN accounts a ON a.id = u.account ";

User read_user(const store::Statement& row) {
    return {.id = std::string(row.text(1)),
            .username = std::string(row.text(2)),
            .email = std::string(row.text(3)),
            .display_name = std::string(row.text(4)),
            .bio = std::string(row.text(5)),
            .avatar_url = std::string(row.text(6)),
            .owner = std::string(row.text(7)),
            .balance = row.integer(10),
            .created_ms = row.integer(9),
            .row = row.integer(0),
            .account = row.integer(8)};
}

}  // namespace

std::optional<Units> attribution_price(std::string_view type) noexcept {
    if (type == "citation") return kToken / 10;
    if (type == "remix") return kToken / 2;
    if (type == "reply") return kToken / 20;
    return std::nullopt;
}

bool is_public_level(std::string_view privacy_level) noexcept {
    return privacy_level == "BUSINESS" || privacy_level == "IDEAS";
}

Result<std::unique_ptr<Books>> Books::open(const std::string& path, const Clock& clock, Random& random) {
    TG_TRY(store::Database database, store::Database::open({.path = path, .vfs = {}}));
    TG_CHECK(store::migrate(database, "ledger", kBooksMigrations, clock));
    return std::unique_ptr<Books>(new Books(std::make_unique<store::Database>(std::move(database)), clock, random));
}

std::string Books::fresh_id() {
    return to_string(make_uuid7(clock_, random_));
}

Result<User> Books::add_user(const Actor& actor, User user) {
    if (user.id.empty()) user.id = fresh_id();
    TG_TRY(store::Statement taken,
           database_->prepare("SELECT 1 FROM users WHERE tenant = ?1 AND lower(username) = lower(?2)"));
    TG_TRY(const bool is_taken,
           taken.bind(1, std::string_view(actor.tenant)).bind(2, std::string_view(user.username)).step());
    if (is_taken) return fail(ErrorCode::kConflict, "This username is taken.");
    TG_TRY(store::Statement account, database_->prepare("INSERT INTO accounts (tenant, kind) VALUES (?, 'user')"));
    TG_CHECK(account.bind(1, std::string_view(actor.tenant)).run());
    user.account = database_->last_insert_rowid();
    user.owner = actor.name;
    user.created_ms = now();
    TG_TRY(
        store::Statement statement,
        database_->prepare(
            "INSERT INTO users (tenant, id, username, email, display_name, bio, avatar_url, owner, account, created_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    bind_texts(statement, {actor.tenant, user.id, user.username, user.email, user.display_name, user.bio,
                           user.avatar_url, user.owner});
    TG_CHECK(statement.bind(9, user.account).bind(10, user.created_ms).run());
    user.row = database_->last_insert_rowid();
    return user;
}

Result<User> Books::user(const Actor& actor, std::string_view id) {
    TG_TRY(store::Statement statement,
           database_->prepare(sql_of({"SELECT ", kUserColumns, kUserTables, "WHERE u.tenant = ? AND u.id = ?"})));
    TG_TRY(const bool found, statement.bind(1, std::string_view(actor.tenant)).bind(2, id).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such user.");
    return read_user(statement);
}

Result<User> Books::own_user(const Actor& actor, std::string_view id) {
    TG_TRY(User found, user(actor, id));
    if (!actor.admin && found.owner != actor.name) {
        return fail(ErrorCode::kPermissionDenied, "This user belongs to another key.");
    }
    return found;
}

Result<Page<User>> Books::users(const Actor& actor, std::string_view text, std::int64_t before, std::size_t limit) {
    TG_TRY(store::Statement statement,
           database_->prepare(
               sql_of({"SELECT ", kUserColumns, kUserTables,
                       "WHERE u.tenant = ?1 AND u.row < ?2 AND (?4 = '' OR instr(lower(u.username), lower(?4)) > 0 OR"
                       " instr(lower(u.display_name), lower(?4)) > 0) ORDER BY u.row DESC LIMIT ?3"})));
    statement.bind(1, std::string_view(actor.tenant)).bind(2, before_or_last(before)).bind(4, text);
    statement.bind(3, static_cast<std::int64_t>(limit + 1));
    return read_page<User>(statement, limit, read_user);
}

Result<std::int64_t> Books::supply_of(std::string_view tenant) {
    TG_TRY(store::Statement find, database_->prepare("SELECT id FROM accounts WHERE tenant = ? AND kind = 'supply'"));
    TG_TRY(const bool found, find.bind(1, tenant).step());
    if (found) return find.integer(0);
    TG_TRY(store::Statement make, database_->prepare("INSERT INTO accounts (tenant, kind) VALUES (?, 'supply')"));
    TG_CHECK(make.bind(1, tenant).run());
    return database_->last_insert_rowid();
}

Result<Units> Books::balance_of(std::int64_t account) {
    TG_TRY(store::Statement statement, database_->prepare("SELECT balance FROM accounts WHERE id = ?"));
    TG_TRY(const bool found, statement.bind(1, account).step());
    if (!found) return fail(ErrorCode::kDataLoss, "An account has gone from ledger.db.");
    return statement.integer(0);
}

Result<Transfer> Books::move(const Actor& actor, std::int64_t from, std::int64_t to, Units amount, Transfer note) {
    // The supply may owe up to what 63 bits hold, less one largest transfer.
    constexpr Units kSupplyLeast = -9'000'000'000'000'000'000 + kAmountMax;
    TG_TRY(const Units from_before, balance_of(from));
    TG_TRY(const Units to_before, balance_of(to));
    TG_TRY(const std::int64_t supply, supply_of(actor.tenant));
    if (from == supply ? from_before < kSupplyLeast : from_before < amount) {
        return fail(ErrorCode::kFailedValidation,
                    from == supply ? "No more tokens can be made."
                                   : "Not enough tokens: the balance is " + format_amount(from_before) + ".");
    }
    note.id = fresh_id();
    note.amount = amount;
    note.created_ms = now();
    note.from_balance = from_before - amount;
    note.to_balance = to_before + amount;
    TG_TRY(store::Statement transfer,
           database_->prepare(
               "INSERT INTO transfers (tenant, id, kind, reason, card_id, attribution_id, actor, debit, credit, amount,"
               " created_ms, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    transfer.bind(12, std::string_view(note.metadata));
    bind_texts(transfer,
               {actor.tenant, note.id, note.kind, note.reason, note.card_id, note.attribution_id, actor.name});
    TG_CHECK(transfer.bind(8, from).bind(9, to).bind(10, amount).bind(11, note.created_ms).run());
    note.row = database_->last_insert_rowid();
    TG_TRY(store::Statement entry,
           database_->prepare("INSERT INTO entries (account, transfer, amount, balance_after) VALUES (?, ?, ?, ?)"));
    TG_CHECK(entry.bind(1, from).bind(2, note.row).bind(3, -amount).bind(4, note.from_balance).run());
    TG_CHECK(entry.bind(1, to).bind(2, note.row).bind(3, amount).bind(4, note.to_balance).run());
    TG_TRY(store::Statement balance, database_->prepare("UPDATE accounts SET balance = ?2 WHERE id = ?1"));
    TG_CHECK(balance.bind(1, from).bind(2, note.from_balance).run());
    TG_CHECK(balance.bind(1, to).bind(2, note.to_balance).run());
    return note;
}

Result<Transfer> Books::award(const Actor& actor, std::string_view user_id, Units amount, Transfer note) {
    TG_TRY(const User to, user(actor, user_id));
    TG_TRY(const std::int64_t supply, supply_of(actor.tenant));
    note.to_user_id = to.id;
    return move(actor, supply, to.account, amount, std::move(note));
}

Result<Transfer> Books::transfer(const Actor& actor, std::string_view from, std::string_view to, Units amount,
                                 Transfer note) {
    TG_TRY(const User giver, own_user(actor, from));
    TG_TRY(const User taker, user(actor, to));
    if (giver.row == taker.row) return fail(ErrorCode::kFailedValidation, "A user cannot transfer to itself.");
    note.from_user_id = giver.id;
    note.to_user_id = taker.id;
    return move(actor, giver.account, taker.account, amount, std::move(note));
}

Result<Page<Transfer>> Books::transfers(const Actor& actor, std::string_view user_id, std::int64_t before,
                                        std::size_t limit) {
    TG_TRY(const User of, user(actor, user_id));
    TG_TRY(store::Statement statement,
           database_->prepare("SELECT t.row, t.id, f.id, g.id, t.kind, t.reason, t.card_id, t.attribution_id, "
                              "t.amount, t.created_ms, x.balance_after,"
                              " y.balance_after, t.metadata FROM entries e JOIN transfers t ON t.row = e.transfer"
                              " JOIN entries x ON x.account = t.debit AND x.transfer = t.row JOIN entries y ON "
                              "y.account = t.credit AND y.transfer = t.row"
                              " LEFT JOIN users f ON f.account = t.debit LEFT JOIN users g ON g.account = t.credit"
                              " WHERE e.account = ? AND e.transfer < ? ORDER BY e.transfer DESC LIMIT ?"));
    statement.bind(1, of.account).bind(2, before_or_last(before)).bind(3, static_cast<std::int64_t>(limit + 1));
    return read_page<Transfer>(statement, limit, [](const store::Statement& row) {
        return Transfer{.id = std::string(row.text(1)),
                        .from_user_id = std::string(row.text(2)),
                        .to_user_id = std::string(row.text(3)),
                        .kind = std::string(row.text(4)),
                        .reason = std::string(row.text(5)),
                        .card_id = std::string(row.text(6)),
                        .attribution_id = std::string(row.text(7)),
                        .amount = row.integer(8),
                        .from_balance = row.integer(10),
                        .to_balance = row.integer(11),
                        .created_ms = row.integer(9),
                        .row = row.integer(0),
                        .metadata = std::string(row.text(12))};
    });
}

Result<TokenStats> Books::stats(const Actor& actor, std::string_view user_id) {
    TG_TRY(const User of, user(actor, user_id));
    TG_TRY(store::Statement statement,
           database_->prepare(
               sql_of({"SELECT count(*), ", split_sum("max(e.amount, 0)"), ", ", split_sum("max(-e.amount, 0)"), ", ",
                       split_sum("CASE WHEN a.kind = 'supply' THEN e.amount END"),
                       " FROM entries e JOIN transfers t ON t.row = e.transfer JOIN accounts a ON a.id = t.debit WHERE "
                       "e.account = ?"})));
    TG_CHECK(statement.bind(1, of.account).step());
    return TokenStats{.balance = of.balance,
                      .earned = joined_sum(statement, 1),
                      .spent = joined_sum(statement, 3),
                      .minted = joined_sum(statement, 5),
                      .transfers = statement.integer(0)};
}

}  // namespace tidegate::content
