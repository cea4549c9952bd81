// BookStore: one connection to where the books lie, ledger.db or PostgreSQL, and its statements.
//
// Position    Under Books and Ledger, which have one SQL text for both homes: SQLite's placeholders (`?`, `?3`), tables by their names in
//             ledger.db. What the homes say differently stands in BookDialect, and nowhere else.
// Guarantee   A writing transaction of a tenant sees all that was committed for it before, and none runs beside it: what Books looks at
//             before it writes stays so until the end.
// Threads     One at a time.
// When it fails  kUnavailable: the home is away or full. kConflict: a constraint of SQLite. kFailedValidation: a text that PostgreSQL cannot hold.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::content {

/// Bind by position (from 1), step until it gives false, reset() before the next use.
class BookStatement {
  public:
    using Bytes = std::span<const std::uint8_t>;
    virtual ~BookStatement() = default;

    // Texts and bytes are not copied: they must live until reset() or the last step().
    virtual BookStatement& bind(int position, std::int64_t value) = 0;
    virtual BookStatement& bind(int position, std::string_view text) = 0;
    virtual BookStatement& bind(int position, Bytes bytes) = 0;
    /// True: a row stands ready.
    virtual Result<bool> step() = 0;
    virtual void reset() noexcept = 0;

    // Columns of the current row, from 0, as what they are. Views live until the next step() or reset().
    virtual std::int64_t integer(int column) const = 0;
    virtual std::string_view text(int column) const = 0;
    virtual Bytes blob(int column) const = 0;

    /// Steps to the end and resets.
    Result<void> run();
    /// The integer that `INSERT ... RETURNING` gives.
    Result<std::int64_t> inserted();
};

struct BookDialect {
    std::string_view lock_rows;  // Behind a SELECT: nobody else changes these rows before we commit.
    std::string_view
        forget_answers;  // A statement: removes answers from before ?1; a row for each, where it may have left some.
    std::string_view answer_time;  // Of an answer that is kept now, where this server's clock says ?7.
    std::int64_t rows_at_once;     // So many a page's statement gives at most: one that is not read row by row.
};

class BookStore {
  public:
    virtual ~BookStore() = default;

    virtual Result<std::unique_ptr<BookStatement>> prepare(std::string_view sql) = 0;
    virtual const BookDialect& dialect() const noexcept = 0;

    /// One moment of the books for all statements up to commit().
    virtual Result<void> begin_reading() = 0;
    /// `tenants`: whose rows will be written.
    virtual Result<void> begin_writing(std::span<const std::string> tenants) = 0;
    /// is_uncertain_commit(): it may be there all the same. Any other error: it is not.
    virtual Result<void> commit() = 0;
    virtual void roll_back() noexcept = 0;
    virtual bool in_transaction() const noexcept = 0;
    /// Within a transaction: what comes is kept by keep() or taken back by undo().
    virtual Result<void> savepoint() = 0;
    virtual Result<void> keep() = 0;
    virtual Result<void> undo() = 0;
    /// The last failure was another writer's: the same transaction from its beginning may do.
    virtual bool may_repeat() const noexcept = 0;
    /// begin_writing() failed because another server holds one of the tenants for too long.
    virtual bool locked_out() const noexcept = 0;

    /// First column of the first row; kNotFound when there is none.
    Result<std::int64_t> number(std::string_view sql);
};

/// Rolled back unless committed.
class BookMoment {
  public:
    explicit BookMoment(BookStore& store) : store_(&store) {}
    ~BookMoment() {
        if (store_ != nullptr) store_->roll_back();
    }
    BookMoment(const BookMoment&) = delete;
    BookMoment& operator=(const BookMoment&) = delete;
    Result<void> commit();

  private:
    BookStore* store_;
};

/// Where the connections come from: the tables are there.
class BookHome {
  public:
    virtual ~BookHome() = default;
    virtual Result<std::unique_ptr<BookStore>> connect() = 0;
    /// Connections that read at a time; 0: as many as ask.
    virtual std::size_t readers_max() const noexcept = 0;
    /// Changes to a commit.
    virtual std::size_t batch_max() const noexcept = 0;
    /// From now on whatever waits for the home gives up.
    virtual void give_up() noexcept = 0;
};

}  // namespace tidegate::content
