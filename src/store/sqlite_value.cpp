// Statement: values in, values out.
#include <sqlite3.h>

#include <utility>

#include "base/assert.h"
#include "store/query_times.h"
#include "store/sqlite.h"
#include "store/sqlite_error.h"

namespace tidegate::store {
namespace {

int keep_first(int before, int now) {
    return before != SQLITE_OK ? before : now;
}

int timed_step(sqlite3_stmt* statement, Duration& spent) {
    const SystemClock clock;
    const SteadyTime began = clock.now();
    database_times().step_begun();
    const int code = sqlite3_step(statement);
    database_times().step_ended();
    spent += clock.now() - began;
    return code;
}

}  // namespace

Statement::~Statement() {
    if (statement_ != nullptr) count_run();
    sqlite3_finalize(statement_);
}

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      bind_error_(other.bind_error_),
      spent_(std::exchange(other.spent_, Duration{})) {}

Statement& Statement::operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    std::swap(bind_error_, other.bind_error_);
    std::swap(spent_, other.spent_);
    return *this;
}

Statement& Statement::bind(int position, std::int64_t value) noexcept {
    bind_error_ = keep_first(bind_error_, sqlite3_bind_int64(statement_, position, value));
    return *this;
}

Statement& Statement::bind(int position, double value) noexcept {
    bind_error_ = keep_first(bind_error_, sqlite3_bind_double(statement_, position, value));
    return *this;
}

Statement& Statement::bind(int position, std::string_view text) noexcept {
    // A null pointer would bind NULL; an empty text is a text. SQLITE_STATIC: the caller keeps the bytes.
    const char* const bytes = text.data() == nullptr ? "" : text.data();
    bind_error_ =
        keep_first(bind_error_, sqlite3_bind_text64(statement_, position, bytes, text.size(), nullptr, SQLITE_UTF8));
    return *this;
}

Statement& Statement::bind(int position, Blob bytes) noexcept {
    const int code = bytes.empty() ? sqlite3_bind_zeroblob(statement_, position, 0)
                                   : sqlite3_bind_blob64(statement_, position, bytes.data(), bytes.size(), nullptr);
    bind_error_ = keep_first(bind_error_, code);
    return *this;
}

Statement& Statement::bind_null(int position) noexcept {
    bind_error_ = keep_first(bind_error_, sqlite3_bind_null(statement_, position));
    return *this;
}

Result<bool> Statement::step() {
    TG_ASSERT(statement_ != nullptr);
    sqlite3* const handle = sqlite3_db_handle(statement_);
    if (bind_error_ != SQLITE_OK) return std::unexpected(sqlite_error(nullptr, bind_error_, "cannot bind"));
    const int code = timed_step(statement_, spent_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) {
        count_run();
        return false;
    }
    Error error = sqlite_error(handle, code, "cannot run");
    reset();
    return std::unexpected(std::move(error));
}

Result<void> Statement::run() {
    for (;;) {
        TG_TRY(const bool row, step());
        if (!row) break;
    }
    reset();
    return {};
}

// Two readings of the clock a step.
void Statement::count_run() noexcept {
    if (spent_ == Duration{}) return;
    const char* const text = sqlite3_sql(statement_);
    const SteadyTime now = SystemClock().now();
    database_times().add(text == nullptr ? "" : text, now - std::exchange(spent_, Duration{}), now);
}

void Statement::reset() noexcept {
    count_run();
    sqlite3_reset(statement_);
    bind_error_ = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const noexcept {
    return sqlite3_column_int64(statement_, column);
}
double Statement::real(int column) const noexcept {
    return sqlite3_column_double(statement_, column);
}

std::string_view Statement::text(int column) const noexcept {
    const unsigned char* const bytes = sqlite3_column_text(statement_, column);
    if (bytes == nullptr) return {};
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Blob Statement::blob(int column) const noexcept {
    const void* const bytes = sqlite3_column_blob(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const std::uint8_t*>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::is_null(int column) const noexcept {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace tidegate::store
