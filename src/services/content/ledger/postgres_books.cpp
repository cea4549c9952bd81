#include "services/content/ledger/postgres_books.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "store/postgres.h"

namespace tidegate::content {
namespace {

using store::PostgresRows;
using store::PostgresValues;

// A server that hangs in a transaction gives its tenants' locks back; who waits for them longer than that gives up.
constexpr PostgresUse kBooks{.application = "tidegate ledger",
                             .holds = "books",
                             .again = "",
                             .settings =
                                 "SET jit = off; SET idle_in_transaction_session_timeout = '5s'; SET "
                                 "lock_timeout = '2s'"};

// Skipping what another server removes: who waits for rows here holds locks that others wait for.
constexpr BookDialect kPostgresDialect{
    .lock_rows = " FOR UPDATE",
    .forget_answers =
        "DELETE FROM answers WHERE ctid = ANY(ARRAY(SELECT o.ctid FROM answers o WHERE o.created_ms < least(?1, "
        "(extract(epoch FROM now()) * 1000)::int8 - 86400000) LIMIT 1000 FOR UPDATE SKIP LOCKED)) RETURNING 1",
    // The clocks of several servers are not one: an answer is gone when ours and the database's both say so.
    .answer_time = "greatest(?7, (extract(epoch FROM clock_timestamp()) * 1000)::int8)",
    .rows_at_once = 32};  // Of cards of a MiB at most.

constexpr std::array<std::string_view, 7> kBookTables{"accounts", "users",        "cards",  "transfers",
                                                      "entries",  "attributions", "answers"};

bool is_name_char(char c) noexcept {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// A statement word by word.
class BookTranslator {
  public:
    BookTranslator(std::string_view sql, std::span<const BookValue> types) : sql_(sql), types_(types) {}

    PostgresText translate() {
        while (at_ < sql_.size()) {
            const char c = sql_[at_];
            if (c == '\'' || c == '"') {
                take_quoted(c);
            } else if (c == '?') {
                take_value();
            } else if (is_name_char(c)) {
                take_word();
            } else {
                out_.sql += c;
                ++at_;
            }
        }
        return std::move(out_);
    }

  private:
    void take_quoted(char quote) {
        const std::size_t end = std::min(sql_.find(quote, at_ + 1), sql_.size() - 1);
        out_.sql += sql_.substr(at_, end + 1 - at_);
        at_ = end + 1;
    }
    void take_value() {
        int position = 0;
        for (++at_; at_ < sql_.size() && sql_[at_] >= '0' && sql_[at_] <= '9'; ++at_) {
            position = position * 10 + (sql_[at_] - '0');
        }
        // As SQLite counts a `?` without a number.
        if (position == 0) position = last_ + 1;
        last_ = std::max(last_, position);
        auto known = std::ranges::find(out_.values, position);
        if (known == out_.values.end()) known = out_.values.insert(known, position);
        const auto type = static_cast<std::size_t>(position) <= types_.size()
                              ? types_[static_cast<std::size_t>(position - 1)]
                              : BookValue::kNone;
        const std::string_view name =
            type == BookValue::kInteger ? "int8" : (type == BookValue::kBytes ? "bytea" : "text");
        out_.sql += fmt::format("${}::{}", known - out_.values.begin() + 1, name);
    }
    void take_word() {
        const std::size_t begin = at_;
        while (at_ < sql_.size() && is_name_char(sql_[at_])) ++at_;
        const std::string_view word = sql_.substr(begin, at_ - begin);
        const bool names_table = before_ == "FROM" || before_ == "JOIN" || before_ == "INTO" || before_ == "UPDATE";
        if (names_table && std::ranges::find(kBookTables, word) != kBookTables.end()) out_.sql += "content_";
        out_.sql += word == "instr" ? "strpos" : word;
        before_ = word;
    }

    const std::string_view sql_;
    const std::span<const BookValue> types_;
    std::size_t at_ = 0;
    int last_ = 0;
    std::string_view before_;  // The last word.
    PostgresText out_;
};

class PostgresBookStore;

class PostgresBookStatement final : public BookStatement {
  public:
    PostgresBookStatement(PostgresBookStore& store, std::string_view sql) : store_(store), sql_(sql) {}

    BookStatement& bind(int position, std::int64_t value) override {
        place(position, BookValue::kInteger).integer = value;
        return *this;
    }
    BookStatement& bind(int position, std::string_view text) override {
        place(position, BookValue::kText).bytes = text;
        return *this;
    }
    BookStatement& bind(int position, Bytes bytes) override {
        place(position, BookValue::kBytes).bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        return *this;
    }
    Result<bool> step() override;
    void reset() noexcept override {
        rows_.reset();
        row_ = -1;
    }
    std::int64_t integer(int column) const override {
        return rows_->is_null(row_, column) ? 0 : rows_->integer(row_, column);
    }
    std::string_view text(int column) const override { return rows_->bytes(row_, column); }
    Bytes blob(int column) const override {
        const std::string_view bytes = rows_->bytes(row_, column);
        return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    }

  private:
    struct Value {
        std::int64_t integer = 0;
        std::string_view bytes;
    };
    Value& place(int position, BookValue type) {
        const auto at = static_cast<std::size_t>(position - 1);
        if (values_.size() <= at) {
            values_.resize(at + 1);
            types_.resize(at + 1, BookValue::kNone);
        }
        types_[at] = type;
        return values_[at];
    }
    Result<PostgresRows> ask();

    PostgresBookStore& store_;
    const std::string sql_;
    std::vector<Value> values_;
    std::vector<BookValue> types_;
    std::optional<PostgresRows> rows_;
    int row_ = -1;
};

class PostgresBookStore final : public BookStore {
  public:
    PostgresBookStore(const PostgresPlace& place, const Clock& clock)
        : schema_(place.schema), session_(place, kBooks, clock) {}

    Result<std::unique_ptr<BookStatement>> prepare(std::string_view sql) override {
        return std::make_unique<PostgresBookStatement>(*this, sql);
    }
    const BookDialect& dialect() const noexcept override { return kPostgresDialect; }
    Result<void> begin_reading() override {
        may_repeat_ = writes_ = false;
        return session_.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }
    Result<void> begin_writing(std::span<const std::string> tenants) override {
        may_repeat_ = locked_out_ = false;
        writes_ = true;
        // Not the database's default: a statement sees what was committed while we waited for the locks.
        TG_CHECK(session_.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
        const std::vector<std::int64_t> locks = locks_of(tenants);
        PostgresValues values;
        values.add_array(locks);
        if (auto locked = ask("SELECT pg_advisory_xact_lock(k) FROM unnest($1::int8[]) AS k", values); !locked) {
            locked_out_ = session_.locked_out();
            session_.roll_back();
            return std::unexpected(std::move(locked).error());
        }
        return {};
    }
    Result<void> commit() override {
        auto done = session_.commit();
        may_repeat_ = !done && session_.lost_to_another();
        return done;
    }
    void roll_back() noexcept override { session_.roll_back(); }
    bool in_transaction() const noexcept override { return session_.in_transaction(); }
    Result<void> savepoint() override { return command("SAVEPOINT change"); }
    Result<void> keep() override { return command("RELEASE SAVEPOINT change"); }
    Result<void> undo() override {
        TG_CHECK(command("ROLLBACK TO SAVEPOINT change"));
        return command("RELEASE SAVEPOINT change");
    }
    bool may_repeat() const noexcept override { return may_repeat_; }
    bool locked_out() const noexcept override { return locked_out_; }

    Result<PostgresRows> ask(const std::string& sql, const PostgresValues& values) {
        // Changes look rows up by their keys, whatever the values are; planning them is most of what they cost. Pages are planned by their
        // values.
        auto rows = writes_ && session_.in_transaction() ? session_.ask_kept(sql, values) : session_.ask(sql, values);
        if (!rows && session_.lost_to_another()) may_repeat_ = true;
        return rows;
    }

  private:
    Result<void> command(const std::string& sql) {
        TG_CHECK(ask(sql, PostgresValues()));
        return {};
    }
    /// A number for each tenant of the schema, in order; two tenants that share one wait for each other without need.
    std::vector<std::int64_t> locks_of(std::span<const std::string> tenants) const {
        std::vector<std::int64_t> out;
        for (const std::string& tenant : tenants) {
            const Sha256 hash = sha256(fmt::format("tidegate ledger\n{}\n{}", schema_, tenant));
            std::uint64_t number = 0;
            for (std::size_t i = 0; i < sizeof(number); ++i) number = (number << 8U) | hash[i];
            out.push_back(static_cast<std::int64_t>(number));
        }
        std::ranges::sort(out);
        out.erase(std::ranges::unique(out).begin(), out.end());
        return out;
    }

    const std::string schema_;
    PostgresSession session_;
    bool may_repeat_ = false;
    bool locked_out_ = false;
    bool writes_ = false;  // The last transaction.
};

Result<PostgresRows> PostgresBookStatement::ask() {
    const PostgresText text = postgres_statement(sql_, types_);
    PostgresValues values;
    for (const int position : text.values) {
        const auto at = static_cast<std::size_t>(position - 1);
        if (at >= types_.size() || types_[at] == BookValue::kNone) {
            return fail(ErrorCode::kInternal, fmt::format("?{} of a statement of the books has no value", position));
        }
        if (types_[at] == BookValue::kInteger) {
            values.add(values_[at].integer);
            continue;
        }
        if (types_[at] == BookValue::kText && !is_postgres_text(values_[at].bytes)) {
            return fail(ErrorCode::kFailedValidation,
                        "A text with a zero byte, or that is no UTF-8, cannot be kept in PostgreSQL.");
        }
        values.add(values_[at].bytes);
    }
    return store_.ask(text.sql, values);
}

Result<bool> PostgresBookStatement::step() {
    if (!rows_) {
        TG_TRY(PostgresRows rows, ask());
        rows_ = std::move(rows);
        row_ = -1;
    }
    return ++row_ < rows_->size();
}

}  // namespace

PostgresText postgres_statement(std::string_view sql, std::span<const BookValue> types) {
    return BookTranslator(sql, types).translate();
}

Result<std::unique_ptr<BookHome>> PostgresBooks::open(PostgresPlace place, const Clock& clock) {
    store::PostgresMigrationOptions migration;
    migration.link = PostgresSession::options(place, kBooks);
    migration.schema = place.schema;
    TG_CHECK(store::migrate(migration, "content_ledger", postgres_books_steps(), clock));
    std::unique_ptr<PostgresBooks> home(new PostgresBooks(std::move(place), clock));
    home->place_.stop = &home->stop_;
    PostgresSession session(home->place_, kBooks, clock);
    TG_CHECK(session.ask("SELECT 1::int8"));
    return home;
}

Result<std::unique_ptr<BookStore>> PostgresBooks::connect() {
    return std::make_unique<PostgresBookStore>(place_, clock_);
}

}  // namespace tidegate::content
