// SQLite behind values and Results: a connection, its statements, a transaction.
//
// Position    The one place that knows sqlite3.h. Rooms above write SQL and read columns.
// Guarantee   No call throws. A Database has foreign keys on and `trusted_schema` off, refuses double-quoted strings
//             and a changed schema version is never ignored (store/migrations.h).
// Threads     A Database and its Statements belong to one thread at a time; interrupt() may come from any.
// When it fails  kUnavailable: busy, disk full, I/O error, cannot open. kDataLoss: the file is not a database or is
//             damaged. kConflict: a constraint. kTooLarge: a value over SQLite's limit. kInternal: our SQL is wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

// Named, not included: sqlite3.h stays in store/*.cpp.
struct sqlite3;       // NOLINT
struct sqlite3_stmt;  // NOLINT

namespace tidegate::store {

/// What a commit waits for. WAL mode throughout.
enum class Synchronous : std::uint8_t {
    kNormal,  // The kernel has it: survives the death of the process, not of the power.
    kFull,    // The disk has it: fsync at each commit.
};

struct OpenOptions {
    std::string path;  // `:memory:` for tests.
    bool read_only = false;
    Synchronous synchronous = Synchronous::kFull;
    int busy_timeout_ms = 5'000;
    std::int64_t cache_bytes = 8 * 1024 * 1024;
    std::int64_t mmap_bytes = 0;
    /// Pages of WAL before a commit moves them into the database; 0: never by itself, see passive_checkpoint().
    int wal_autocheckpoint_pages = 1'000;
    /// Name of a registered VFS; empty for the system's. The seam through which tests make writes and syncs
    /// fail.
    std::string vfs;
};

using Blob = std::span<const std::uint8_t>;

/// A prepared statement. Bind by position (from 1), step until it gives false, reset() before the next use.
class Statement {
  public:
    Statement() = default;
    ~Statement();
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&& other) noexcept;

    // Texts and blobs are not copied: they must live until reset() or the last step().
    Statement& bind(int position, std::int64_t value) noexcept;
    Statement& bind(int position, double value) noexcept;
    Statement& bind(int position, std::string_view text) noexcept;
    Statement& bind(int position, Blob bytes) noexcept;
    Statement& bind_null(int position) noexcept;
    template <class T>
    Statement& bind(int position, const std::optional<T>& maybe) noexcept {
        return maybe ? bind(position, *maybe) : bind_null(position);
    }

    /// True: a row stands ready. False: done. An error of a bind before shows here.
    Result<bool> step();
    /// Steps to the end and resets; for statements that give no rows.
    Result<void> run();
    void reset() noexcept;

    // Columns of the current row, from 0. Views live until the next step() or reset().
    std::int64_t integer(int column) const noexcept;
    double real(int column) const noexcept;
    std::string_view text(int column) const noexcept;
    Blob blob(int column) const noexcept;
    bool is_null(int column) const noexcept;

  private:
    friend class Database;
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    void count_run() noexcept;
    sqlite3_stmt* statement_ = nullptr;
    int bind_error_ = 0;
    Duration spent_{};  // In the steps of this run (store/query_times.h).
};

class Database {
  public:
    static Result<Database> open(const OpenOptions& options);
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    ~Database();

    /// Runs one or several statements and ignores their rows.
    Result<void> execute(std::string_view sql);
    /// For statements kept for long and used often.
    Result<Statement> prepare(std::string_view sql);
    /// First column of the first row; kNotFound when there is none.
    Result<std::int64_t> integer(std::string_view sql);
    std::int64_t last_insert_rowid() const noexcept;
    std::int64_t changes() const noexcept;
    bool in_transaction() const noexcept;

    /// `PRAGMA quick_check`: kDataLoss with the first fault found. Reads the whole file.
    Result<void> quick_check();
    /// Copies the live database to a new file, page by page (sqlite3_backup); readers and the writer go on.
    Result<void> backup_to(const std::string& path);
    /// Moves the WAL into the database and shortens it to nothing.
    Result<void> checkpoint();
    /// Moves what it can of the WAL into the database without waiting for readers or the writer. Gives false when another
    /// connection is at it already.
    Result<bool> passive_checkpoint();
    /// Pages in the WAL after the last commit of this connection.
    int wal_pages() const noexcept;
    /// Ends the statement that runs now with kUnavailable. Any thread.
    void interrupt() noexcept;
    /// SQLite's extended code of the last failure (SQLITE_FULL = 13, SQLITE_IOERR = 10, ...), for tests and
    /// the log.
    int last_error_code() const noexcept;

  private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    sqlite3* handle_ = nullptr;
    std::unique_ptr<int> wal_pages_;  // SQLite holds its address.
};

/// BEGIN IMMEDIATE, rolled back unless committed.
class Transaction {
  public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    /// On failure the destructor rolls back.
    Result<void> commit();

  private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_;
};

}  // namespace tidegate::store
