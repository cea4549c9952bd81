// ReaderPool: read-only connections to the log's file, lent one at a time.
//
// Position    Under the views. A view's call borrows a connection for as long as it runs.
// Threads     Any worker thread; never an event loop: SQLite reads from disk.
// When full   borrow() waits until wait_max for a connection, then kUnavailable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "store/sqlite.h"

namespace tidegate::audit {

struct ReaderOptions {
    std::string path;
    std::size_t connections = 2;
    Duration wait_max = std::chrono::seconds(2);
    std::string vfs;
};

class ReaderPool {
  public:
    /// Opens all connections; the log must have been opened before, since it makes the tables.
    static Result<std::shared_ptr<ReaderPool>> open(ReaderOptions options);

    class Lease {
      public:
        Lease(ReaderPool& pool, std::unique_ptr<store::Database> database);
        Lease(Lease&&) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        store::Database& operator*() const noexcept { return *database_; }
        store::Database* operator->() const noexcept { return database_.get(); }

      private:
        ReaderPool* pool_;
        std::unique_ptr<store::Database> database_;
    };
    Result<Lease> borrow();

  private:
    explicit ReaderPool(Duration wait_max) : wait_max_(wait_max) {}
    void give_back(std::unique_ptr<store::Database> database);
    const Duration wait_max_;
    Mutex mutex_;
    Condition returned_;
    std::vector<std::unique_ptr<store::Database>> idle_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit
