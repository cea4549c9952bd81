// One consistent look at the log: a read transaction that ends with its scope. Used by views/*.cpp only.
#pragma once

#include "store/sqlite.h"

namespace tidegate::audit {

class ReadTransaction {
  public:
    static Result<ReadTransaction> begin(store::Database& database) {
        TG_CHECK(database.execute("BEGIN"));
        return ReadTransaction(database);
    }
    ReadTransaction(ReadTransaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    ReadTransaction& operator=(ReadTransaction&&) = delete;
    ~ReadTransaction() {
        // Nothing was written: how it ends makes no difference.
        if (database_ != nullptr && database_->in_transaction()) static_cast<void>(database_->execute("COMMIT"));
    }

  private:
    explicit ReadTransaction(store::Database& database) : database_(&database) {}
    store::Database* database_;
};

}  // namespace tidegate::audit
