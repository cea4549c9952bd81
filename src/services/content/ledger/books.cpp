// Books: the tables, users and what tokens move.
#include "services/content/ledger/books.h"

#include "base/ids.h"
#include "base/strings.h"
#include "services/content/ledger/sql.h"

namespace tidegate::content {
namespace {

constexpr std::string_view kUserColumns =
    "u.row, u.id, u.username, u.email, u.display_name, u.bio, u.avatar_url, u.owner, u.account, u.created_ms, "
    "a.balance";
constexpr std::string_view kUserTables = " FROM users u JOIN accounts a ON a.id = u.account ";

User read_user(const BookStatement& row) {
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

Result<std::unique_ptr<Books>> Books::open(BookHome& home, const Clock& clock, Random& random) {
    TG_TRY(auto store, home.connect());
    return std::unique_ptr<Books>(new Books(std::move(store), clock, random));
}

std::string Books::fresh_id() {
    return to_string(make_uuid7(clock_, random_));
}

Result<User> Books::add_user(const Actor& actor, User user) {
    const bool named = !user.id.empty();
    if (!named) user.id = fresh_id();
    const std::string name = to_lower(user.username);
    TG_TRY(const auto taken, store_->prepare("SELECT 1 FROM users WHERE tenant = ?1 AND lower(username) = ?2"));
    TG_TRY(const bool name_taken, taken->bind(1, actor.tenant).bind(2, name).step());
    if (name_taken) return fail(ErrorCode::kConflict, "This username is taken.");
    if (named) {
        TG_TRY(const auto same, store_->prepare("SELECT 1 FROM users WHERE tenant = ?1 AND id = ?2"));
        TG_TRY(const bool id_taken, same->bind(1, actor.tenant).bind(2, user.id).step());
        if (id_taken) return fail(ErrorCode::kConflict, "This user_id is taken.");
    }
    TG_TRY(const auto account, store_->prepare("INSERT INTO accounts (tenant, kind) VALUES (?, 'user') RETURNING id"));
    TG_TRY(user.account, account->bind(1, actor.tenant).inserted());
    user.owner = actor.name;
    user.created_ms = now();
    TG_TRY(const auto statement,
           store_->prepare("INSERT INTO users (tenant, id, username, email, display_name, bio, avatar_url, owner, "
                           "account, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"));
    bind_texts(*statement, {actor.tenant, user.id, user.username, user.email, user.display_name, user.bio,
                            user.avatar_url, user.owner});
    TG_TRY(user.row, statement->bind(9, user.account).bind(10, user.created_ms).inserted());
    return user;
}

Result<User> Books::user(const Actor& actor, std::string_view id) {
    TG_TRY(const auto statement,
           store_->prepare(sql_of({"SELECT ", kUserColumns, kUserTables, "WHERE u.tenant = ? AND u.id = ?"})));
    TG_TRY(const bool found, statement->bind(1, actor.tenant).bind(2, id).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such user.");
    return read_user(*statement);
}

Result<User> Books::own_user(const Actor& actor, std::string_view id) {
    TG_TRY(User found, user(actor, id));
    if (!actor.admin && found.owner != actor.name) {
        return fail(ErrorCode::kPermissionDenied, "This user belongs to another key.");
    }
    return found;
}

Result<Page<User>> Books::users(const Actor& actor, std::string_view text, std::int64_t before, std::size_t limit) {
    const std::string part = to_lower(text);
    TG_TRY(
        const auto statement,
        store_->prepare(sql_of({"SELECT ", kUserColumns, kUserTables,
                                "WHERE u.tenant = ?3 AND u.row < ?1 AND (?4 = '' OR instr(lower(u.username), ?4) > 0 OR"
                                " instr(lower(u.display_name), ?4) > 0) ORDER BY u.row DESC LIMIT ?2"})));
    statement->bind(3, actor.tenant).bind(4, part);
    return read_page<User>(*store_, *statement, before, limit, read_user);
}

Result<std::int64_t> Books::supply_of(std::string_view tenant) {
    TG_TRY(const auto find, store_->prepare("SELECT id FROM accounts WHERE tenant = ? AND kind = 'supply'"));
    TG_TRY(const bool found, find->bind(1, tenant).step());
    if (found) return find->integer(0);
    TG_TRY(const auto make, store_->prepare("INSERT INTO accounts (tenant, kind) VALUES (?, 'supply') RETURNING id"));
    return make->bind(1, tenant).inserted();
}

Result<Books::Accounts> Books::lock_accounts(std::int64_t from, std::int64_t to) {
    // In the order of their numbers, whichever pays: two that lock the same never wait for each other.
    TG_TRY(const auto statement,
           store_->prepare(sql_of({"SELECT id, balance, kind FROM accounts WHERE id IN (?1, ?2) ORDER BY id",
                                   store_->dialect().lock_rows})));
    statement->bind(1, from).bind(2, to);
    Accounts out;
    int count = 0;
    for (;; ++count) {
        TG_TRY(const bool more, statement->step());
        if (!more) break;
        const bool pays = statement->integer(0) == from;
        (pays ? out.from_balance : out.to_balance) = statement->integer(1);
        if (pays) out.from_supply = statement->text(2) == "supply";
    }
    if (count != 2) return fail(ErrorCode::kDataLoss, "An account has gone from the books.");
    return out;
}

Result<Transfer> Books::move(const Actor& actor, std::int64_t from, std::int64_t to, Units amount, Transfer note) {
    // The supply may owe up to what 63 bits hold, less one largest transfer.
    constexpr Units kSupplyLeast = -9'000'000'000'000'000'000 + kAmountMax;
    TG_TRY(const Accounts before, lock_accounts(from, to));
    if (before.from_supply ? before.from_balance < kSupplyLeast : before.from_balance < amount) {
        return fail(ErrorCode::kFailedValidation, before.from_supply ? "No more tokens can be made."
                                                                     : "Not enough tokens: the balance is " +
                                                                           format_amount(before.from_balance) + ".");
    }
    note.id = fresh_id();
    note.amount = amount;
    note.created_ms = now();
    note.from_balance = before.from_balance - amount;
    note.to_balance = before.to_balance + amount;
    TG_TRY(const auto transfer,
           store_->prepare(
               "INSERT INTO transfers (tenant, id, kind, reason, card_id, attribution_id, actor, debit, credit, amount,"
               " created_ms, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"));
    bind_texts(*transfer,
               {actor.tenant, note.id, note.kind, note.reason, note.card_id, note.attribution_id, actor.name});
    transfer->bind(8, from).bind(9, to).bind(10, amount).bind(11, note.created_ms).bind(12, note.metadata);
    TG_TRY(note.row, transfer->inserted());
    TG_TRY(const auto entries,
           store_->prepare("INSERT INTO entries (account, transfer, amount, balance_after) VALUES (?1, ?2, ?3, ?4), "
                           "(?5, ?2, ?6, ?7)"));
    entries->bind(1, from).bind(2, note.row).bind(3, -amount).bind(4, note.from_balance);
    TG_CHECK(entries->bind(5, to).bind(6, amount).bind(7, note.to_balance).run());
    TG_TRY(const auto balances,
           store_->prepare("UPDATE accounts SET balance = CASE id WHEN ?1 THEN ?2 ELSE ?4 END WHERE id IN (?1, ?3)"));
    TG_CHECK(balances->bind(1, from).bind(2, note.from_balance).bind(3, to).bind(4, note.to_balance).run());
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
    TG_TRY(const auto statement,
           store_->prepare("SELECT t.row, t.id, f.id, g.id, t.kind, t.reason, t.card_id, t.attribution_id, "
                           "t.amount, t.created_ms, x.balance_after,"
                           " y.balance_after, t.metadata FROM entries e JOIN transfers t ON t.row = e.transfer"
                           " JOIN entries x ON x.account = t.debit AND x.transfer = t.row JOIN entries y ON "
                           "y.account = t.credit AND y.transfer = t.row"
                           " LEFT JOIN users f ON f.account = t.debit LEFT JOIN users g ON g.account = t.credit"
                           " WHERE e.account = ?3 AND e.transfer < ?1 ORDER BY e.transfer DESC LIMIT ?2"));
    statement->bind(3, of.account);
    return read_page<Transfer>(*store_, *statement, before, limit, [](const BookStatement& row) {
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
    TG_TRY(const auto statement,
           store_->prepare(sql_of({"SELECT count(*), ", split_sum("CASE WHEN e.amount > 0 THEN e.amount END"), ", ",
                                   split_sum("CASE WHEN e.amount < 0 THEN -e.amount END"), ", ",
                                   split_sum("CASE WHEN a.kind = 'supply' THEN e.amount END"),
                                   " FROM entries e JOIN transfers t ON t.row = e.transfer JOIN accounts a ON a.id = "
                                   "t.debit WHERE e.account = ?"})));
    TG_CHECK(statement->bind(1, of.account).step());
    return TokenStats{.balance = of.balance,
                      .earned = joined_sum(*statement, 1),
                      .spent = joined_sum(*statement, 3),
                      .minted = joined_sum(*statement, 5),
                      .transfers = statement->integer(0)};
}

}  // namespace tidegate::content
