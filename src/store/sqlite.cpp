#include "store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/assert.h"
#include "store/query_times.h"
#include "store/sqlite_error.h"

namespace tidegate::store {
namespace {

ErrorCode code_of(int sqlite_code) {
    switch (sqlite_code & 0xFF) {
        case SQLITE_CONSTRAINT:
            return ErrorCode::kConflict;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return ErrorCode::kDataLoss;
        case SQLITE_TOOBIG:
            return ErrorCode::kTooLarge;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_NOMEM:
        case SQLITE_READONLY:
        case SQLITE_INTERRUPT:
        case SQLITE_IOERR:
        case SQLITE_FULL:
        case SQLITE_CANTOPEN:
        case SQLITE_PROTOCOL:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return ErrorCode::kUnavailable;
        default:
            return ErrorCode::kInternal;
    }
}

// Must hold for every connection; a database that cannot be set up so is not opened.
std::string setup_sql(const OpenOptions& options) {
    std::string sql = fmt::format(
        "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-{}; PRAGMA mmap_size={};"
        "PRAGMA temp_store=MEMORY;",
        options.cache_bytes / 1024, options.mmap_bytes);
    if (options.read_only) return sql + "PRAGMA query_only=ON;";
    sql += fmt::format("PRAGMA journal_mode=WAL; PRAGMA synchronous={}; PRAGMA wal_autocheckpoint={};",
                       options.synchronous == Synchronous::kFull ? "FULL" : "NORMAL", options.wal_autocheckpoint_pages);
    return sql;
}

int remember_wal_pages(void* pages, sqlite3*, const char*, int count) {
    *static_cast<int*>(pages) = count;
    return SQLITE_OK;
}

}  // namespace

Error sqlite_error(sqlite3* handle, int code, std::string_view what) {
    const char* const words = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    return {code_of(code), fmt::format("{}: {} (SQLite {})", what, words, code)};
}

Result<Database> Database::open(const OpenOptions& options) {
    sqlite3* handle = nullptr;
    const int access = options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    // NOMUTEX: one thread at a time is the rule of this class, so SQLite need not lock again.
    const int code =
        sqlite3_open_v2(options.path.c_str(), &handle, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        options.vfs.empty() ? nullptr : options.vfs.c_str());
    Database database(handle);
    if (handle != nullptr) database_times().connection_opened();
    if (code != SQLITE_OK)
        return std::unexpected(sqlite_error(handle, code, "cannot open the database " + options.path));
    sqlite3_busy_timeout(handle, options.busy_timeout_ms);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    TG_CHECK(database.execute(setup_sql(options)));
    if (options.wal_autocheckpoint_pages == 0) {
        // A hook of ours takes the place of SQLite's own, which is what would start a checkpoint.
        database.wal_pages_ = std::make_unique<int>(0);
        sqlite3_wal_hook(handle, &remember_wal_pages, database.wal_pages_.get());
    }
    return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), wal_pages_(std::move(other.wal_pages_)) {}

Database& Database::operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(wal_pages_, other.wal_pages_);
    return *this;
}

Database::~Database() {
    if (handle_ != nullptr) database_times().connection_closed();
    // _v2 waits for statements that outlive us instead of refusing.
    sqlite3_close_v2(handle_);
}

Result<void> Database::execute(std::string_view sql) {
    const QueryTimer timer(sql);
    const int code = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return std::unexpected(sqlite_error(handle_, code, "cannot execute"));
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code != SQLITE_OK) return std::unexpected(sqlite_error(handle_, code, "cannot prepare"));
    return Statement(statement);
}

Result<std::int64_t> Database::integer(std::string_view sql) {
    TG_TRY(Statement statement, prepare(sql));
    TG_TRY(const bool row, statement.step());
    if (!row) return fail(ErrorCode::kNotFound, "no row");
    return statement.integer(0);
}

std::int64_t Database::last_insert_rowid() const noexcept {
    return sqlite3_last_insert_rowid(handle_);
}
std::int64_t Database::changes() const noexcept {
    return sqlite3_changes64(handle_);
}
bool Database::in_transaction() const noexcept {
    return sqlite3_get_autocommit(handle_) == 0;
}
void Database::interrupt() noexcept {
    sqlite3_interrupt(handle_);
}
int Database::last_error_code() const noexcept {
    return sqlite3_extended_errcode(handle_);
}

Result<void> Database::quick_check() {
    TG_TRY(Statement statement, prepare("PRAGMA quick_check(1)"));
    TG_TRY(const bool row, statement.step());
    if (!row || statement.text(0) != "ok") {
        return fail(ErrorCode::kDataLoss, fmt::format("the database is damaged: {}",
                                                      row ? statement.text(0) : std::string_view("no answer")));
    }
    return {};
}

Result<void> Database::backup_to(const std::string& path) {
    TG_TRY(Database target, open({.path = path, .vfs = {}}));
    sqlite3_backup* const backup = sqlite3_backup_init(target.handle_, "main", handle_, "main");
    if (backup == nullptr) {
        return std::unexpected(sqlite_error(target.handle_, target.last_error_code(), "cannot begin the backup"));
    }
    // All pages in one step: a read transaction, which WAL lets run beside the writer.
    const int step = sqlite3_backup_step(backup, -1);
    const int finish = sqlite3_backup_finish(backup);
    if (step != SQLITE_DONE) return std::unexpected(sqlite_error(nullptr, step, "the backup failed"));
    if (finish != SQLITE_OK) return std::unexpected(sqlite_error(target.handle_, finish, "the backup failed"));
    return {};
}

Result<void> Database::checkpoint() {
    const int code = sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code != SQLITE_OK) return std::unexpected(sqlite_error(handle_, code, "cannot checkpoint"));
    return {};
}

Result<bool> Database::passive_checkpoint() {
    const int code = sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if ((code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED) return false;
    if (code != SQLITE_OK) return std::unexpected(sqlite_error(handle_, code, "cannot checkpoint"));
    return true;
}

int Database::wal_pages() const noexcept {
    return wal_pages_ == nullptr ? 0 : *wal_pages_;
}

Result<Transaction> Transaction::begin(Database& database) {
    TG_ASSERT(!database.in_transaction());
    TG_CHECK(database.execute("BEGIN IMMEDIATE"));
    return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
    // SQLite may have rolled back by itself (disk full, I/O error); a rollback that fails leaves nothing to
    // do here.
    if (database_ != nullptr && database_->in_transaction()) static_cast<void>(database_->execute("ROLLBACK"));
}

Result<void> Transaction::commit() {
    TG_ASSERT(database_ != nullptr);
    TG_CHECK(database_->execute("COMMIT"));  // On failure the destructor rolls back.
    database_ = nullptr;
    return {};
}

}  // namespace tidegate::store
