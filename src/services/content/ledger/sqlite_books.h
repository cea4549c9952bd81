// SqliteBooks: the books in ledger.db.
//
// Position    Beside PostgresBooks, under Books.
// Guarantee   What was committed is on the disk (synchronous=FULL). One writer at a time, of all processes: BEGIN IMMEDIATE.
// Threads     connect() any; a connection one at a time.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "services/content/ledger/book_store.h"

namespace tidegate::content {

class SqliteBooks final : public BookHome {
  public:
    /// Makes or changes the tables.
    static Result<std::unique_ptr<BookHome>> open(std::string path, const Clock& clock);
    Result<std::unique_ptr<BookStore>> connect() override;
    std::size_t readers_max() const noexcept override { return 0; }
    std::size_t batch_max() const noexcept override {
        return 256;  // Behind it the wait for the disk is no longer what a change costs.
    }
    void give_up() noexcept override {}  // A disk is waited for.

  private:
    explicit SqliteBooks(std::string path) : path_(std::move(path)) {}
    const std::string path_;
};

}  // namespace tidegate::content
