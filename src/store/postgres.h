// PostgresLink: one connection to a PostgreSQL server: statements with a deadline, values in binary, COPY.
//
// Position    Below audit/postgres. libpq's header stays in the .cpp.
// Guarantee   Every call returns within its deadline, whatever the server or the network does: a link whose deadline has passed is
//             broken, as one that lost its server, and answers kUnavailable from then on. Nothing is sent a second time.
// Errors      kUnavailable: no connection, or the server cannot serve now (shutting down, disk full, a read-only standby).
//             kConflict: a lock is held, or a key exists. kPermissionDenied, kDeadlineExceeded (the server's own time limit),
//             kInternal with the server's message and SQLSTATE for the rest. No password is in any message.
// Threads     One at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

struct pg_conn;
struct pg_result;

namespace tidegate::store {

struct PostgresOptions {
    std::string url;               // A URI or libpq's `key=value` words.
    std::string application_name;  // What pg_stat_activity shows; at most 63 bytes.
    Duration connect_patience = std::chrono::seconds(5);
    Duration patience = std::chrono::seconds(10);  // Of a statement, or of a part of a COPY.
    const std::atomic<bool>* stop = nullptr;       // Once true, whatever waits gives up within 100 ms.
};

/// The values of a statement's $1, $2, ... in PostgreSQL's binary form. They outlive the call.
class PostgresValues {
  public:
    /// int8 and timestamptz (postgres_time()).
    PostgresValues& add(std::int64_t value);
    /// bytea, uuid (16 bytes), text (valid UTF-8 without a zero byte).
    PostgresValues& add(std::string_view bytes);
    /// int8[].
    PostgresValues& add_array(std::span<const std::int64_t> values);
    /// text[]; each as a text is.
    PostgresValues& add_array(std::span<const std::string> values);

  private:
    friend class PostgresLink;
    struct Value {
        std::string owned;
        std::string_view borrowed;
    };
    std::vector<Value> values_;
};

/// Microseconds since 2000-01-01, as PostgreSQL counts.
constexpr std::int64_t postgres_time(UnixMillis time) noexcept {
    return (time - 946'684'800'000) * 1000;
}
constexpr UnixMillis from_postgres_time(std::int64_t time) noexcept {
    return time / 1000 + 946'684'800'000;
}

/// What a statement gave, in binary. Positions count from 0 and are within the result: a broken promise ends the process.
class PostgresRows {
  public:
    explicit PostgresRows(pg_result* result) noexcept : result_(result) {}

    int size() const noexcept;
    bool is_null(int row, int column) const;
    /// bytea, uuid, text; valid as long as the rows.
    std::string_view bytes(int row, int column) const;
    /// bool, int2, int4, int8, timestamptz.
    std::int64_t integer(int row, int column) const;
    /// float8.
    double real(int row, int column) const;
    /// Rows that an INSERT, UPDATE or DELETE touched.
    std::uint64_t affected() const noexcept;
    /// `COMMIT`, `INSERT 0 1`.
    std::string_view command() const noexcept;

  private:
    friend class PostgresLink;
    struct Clear {
        void operator()(pg_result* result) const noexcept;
    };
    std::unique_ptr<pg_result, Clear> result_;
};

class PostgresLink {
  public:
    static Result<std::unique_ptr<PostgresLink>> connect(const PostgresOptions& options, const Clock& clock);

    /// One or more statements without values; the rows of the last one. `patience` 0: that of the options.
    Result<PostgresRows> run(const std::string& statements, Duration patience = Duration(0));
    /// One statement with values.
    Result<PostgresRows> run(const std::string& statement, const PostgresValues& values);
    /// The same, and the server keeps the statement: it is read and planned once. For statements of a small number of texts, up to kKeptMax of
    /// them; whose plan does not hang on the values.
    Result<PostgresRows> run_kept(const std::string& statement, const PostgresValues& values);
    static constexpr std::size_t kKeptMax = 100;
    /// `COPY ... FROM STDIN (FORMAT binary)`: all of `data`, or nothing of it.
    Result<void> copy(const std::string& statement, std::string_view data);
    bool broken() const noexcept { return broken_; }
    /// The last statement failed because of what another session did at the same time (a deadlock, transactions that exclude each other): the
    /// whole transaction again may do.
    bool lost_to_another() const noexcept { return lost_to_another_; }
    /// The last statement failed because another session held a lock for longer than lock_timeout.
    bool locked_out() const noexcept { return locked_out_; }
    /// It is broken() because no answer came in time: the server may be slow, and would be asked twice by who repeats it.
    bool gave_up() const noexcept { return gave_up_; }

  private:
    struct Finish {
        void operator()(pg_conn* connection) const noexcept;
    };
    PostgresLink(PostgresOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}
    Result<void> open();
    Result<void> sent(int accepted);
    Result<PostgresRows> run_as(const char* name, const std::string& statement, const PostgresValues& values);
    Result<PostgresRows> last_of_all(Duration patience);
    Result<PostgresRows> next(SteadyTime deadline);
    Result<void> wait(bool writable, SteadyTime deadline);
    Error broken(std::string_view why);
    Error error_of(const PostgresRows& rows);

    const PostgresOptions options_;
    const Clock& clock_;
    std::unique_ptr<pg_conn, Finish> connection_;
    bool broken_ = false;
    bool lost_to_another_ = false;
    bool locked_out_ = false;
    bool gave_up_ = false;
    std::map<std::string, std::string, std::less<>> kept_;  // Statements to their names.
};

/// Rows for PostgresLink::copy(), in PostgreSQL's binary COPY form.
class PostgresCopyRows {
  public:
    PostgresCopyRows() { clear(); }
    void clear();
    bool empty() const noexcept { return rows_ == 0; }
    /// Each row: begin(), then so many values.
    void begin(std::uint16_t columns);
    void add_int(std::int64_t value);
    void add_small(std::int16_t value);
    void add_double(double value);
    void add_null();
    void add_bytes(std::string_view bytes);
    /// Any bytes; what PostgreSQL does not take as text (not UTF-8, a zero byte) becomes U+FFFD.
    void add_text(std::string_view bytes);
    /// With the end mark; then only clear().
    std::string_view finish();

  private:
    void length(std::int32_t bytes);
    std::string data_;
    std::uint64_t rows_ = 0;
};

}  // namespace tidegate::store
