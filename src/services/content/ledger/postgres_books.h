// PostgresBooks: the books in PostgreSQL, which several servers may share.
//
// Position    Beside SqliteBooks, under Books. Its tables are `content_users`, `content_accounts` ... by numbered steps of their own
//             (postgres_books_steps.cpp); a statement of Books becomes PostgreSQL's in postgres_statement().
// Guarantee   A writing transaction holds the lock of each of its tenants, taken in one order before anything else, so that what Books looks at
//             stays so, no balance is lost and no two servers wait for each other; the rows of accounts are locked as well, by their number.
//             A commit is on the disk (fsync and synchronous_commit are on, or the server is refused).
// Threads     connect() any; a connection one at a time.
// When it fails  kUnavailable with the reason; it comes back by itself. A COMMIT without an answer: is_uncertain_commit().
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "services/content/database/postgres_session.h"
#include "services/content/ledger/book_store.h"
#include "store/postgres_migrations.h"

namespace tidegate::content {

class PostgresBooks final : public BookHome {
  public:
    /// Makes or changes the tables. Errors of store::migrate(), and those of a server that cannot hold books.
    static Result<std::unique_ptr<BookHome>> open(PostgresPlace place, const Clock& clock);
    Result<std::unique_ptr<BookStore>> connect() override;
    std::size_t readers_max() const noexcept override { return 4; }
    /// A savepoint is a transaction of its own to PostgreSQL; of one with more than 64 of them others look up each on the disk.
    std::size_t batch_max() const noexcept override { return 60; }
    void give_up() noexcept override { stop_ = true; }

  private:
    PostgresBooks(PostgresPlace place, const Clock& clock) : place_(std::move(place)), clock_(clock) {}
    PostgresPlace place_;
    std::atomic<bool> stop_{false};
    const Clock& clock_;
};

std::span<const store::PostgresMigration> postgres_books_steps();

/// The types of a statement's values, by position from 1; kNone: there is none at it.
enum class BookValue : std::uint8_t { kNone, kInteger, kText, kBytes };

struct PostgresText {
    std::string sql;
    std::vector<int> values;  // The position in the original of $1, $2, ...
};
/// The statement in PostgreSQL's words: `?3` is `$1::int8`, `FROM users` is `FROM content_users`, `instr` is `strpos`.
PostgresText postgres_statement(std::string_view sql, std::span<const BookValue> types);

}  // namespace tidegate::content
