#include "store/postgres.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/strings.h"
#include "store/postgres_bytes.h"
#include "store/query_times.h"

namespace tidegate::store {
namespace {

constexpr int kBinary = 1;

// libpq names sockets and addresses in front of the reason, and adds hints on further lines.
std::string_view reason_of(std::string_view message) {
    message = message.substr(0, message.find('\n'));
    if (const std::size_t at = message.rfind(" failed: "); at != std::string_view::npos) message.remove_prefix(at + 9);
    return trim(message);
}

ErrorCode code_of(std::string_view state) {
    // Class 08: connection; 53: no disk, memory or connections left; 57P: shutting down, starting up; 25006: a standby.
    if (state.empty() || state.starts_with("08") || state.starts_with("53") || state.starts_with("57P") ||
        state == "25006") {
        return ErrorCode::kUnavailable;
    }
    if (state == "55P03" || state.starts_with("23")) return ErrorCode::kConflict;
    if (state == "57014") return ErrorCode::kDeadlineExceeded;
    if (state.starts_with("28") || state == "42501") return ErrorCode::kPermissionDenied;
    return ErrorCode::kInternal;
}

// libpq says which part of an address it cannot use, and where a password has an @, a : or a / that is not encoded, a piece of the
// password stands where the host or the port should be.
Result<void> check_url(const std::string& url) {
    struct Free {
        void operator()(PQconninfoOption* parsed) const noexcept { PQconninfoFree(parsed); }
    };
    const std::unique_ptr<PQconninfoOption, Free> parsed(PQconninfoParse(url.c_str(), nullptr));
    bool sound = parsed != nullptr;
    for (const PQconninfoOption* word = parsed.get(); sound && word->keyword != nullptr; ++word) {
        const std::string_view name = word->keyword;
        const std::string_view value = word->val == nullptr ? "" : word->val;
        if (name == "host" || name == "hostaddr") sound = value.starts_with('/') || !value.contains('@');
        if (name == "port") sound = value.find_first_not_of("0123456789,") == std::string_view::npos;
    }
    if (sound) return {};
    return fail(ErrorCode::kInvalidArgument,
                "the database's address cannot be read; in a URL the password's @ : / and % are written as %40 %3A "
                "%2F and %25");
}

}  // namespace

PostgresValues& PostgresValues::add(std::int64_t value) {
    std::string bytes;
    append_network(bytes, value);
    values_.push_back({std::move(bytes), {}});
    return *this;
}

PostgresValues& PostgresValues::add(std::string_view bytes) {
    values_.push_back({{}, bytes});
    return *this;
}

namespace {

/// The head of an array of one dimension (PostgreSQL's array_recv): dimensions, nulls, kind of element, length, lower bound.
std::string array_head(std::uint32_t kind, std::size_t size) {
    std::string bytes;
    append_network(bytes, static_cast<std::int32_t>(size == 0 ? 0 : 1));
    append_network(bytes, std::int32_t{0});
    append_network(bytes, kind);
    if (size == 0) return bytes;
    append_network(bytes, static_cast<std::int32_t>(size));
    append_network(bytes, std::int32_t{1});
    return bytes;
}

}  // namespace

PostgresValues& PostgresValues::add_array(std::span<const std::int64_t> values) {
    constexpr std::uint32_t kInt8 = 20;
    std::string bytes = array_head(kInt8, values.size());
    for (const std::int64_t value : values) {
        append_network(bytes, std::int32_t{8});
        append_network(bytes, value);
    }
    values_.push_back({std::move(bytes), {}});
    return *this;
}

PostgresValues& PostgresValues::add_array(std::span<const std::string> values) {
    constexpr std::uint32_t kText = 25;
    std::string bytes = array_head(kText, values.size());
    for (const std::string& value : values) {
        append_network(bytes, static_cast<std::int32_t>(value.size()));
        bytes += value;
    }
    values_.push_back({std::move(bytes), {}});
    return *this;
}

void PostgresRows::Clear::operator()(pg_result* result) const noexcept {
    PQclear(result);
}

int PostgresRows::size() const noexcept {
    return PQntuples(result_.get());
}

bool PostgresRows::is_null(int row, int column) const {
    TG_ASSERT(row >= 0 && row < size() && column >= 0 && column < PQnfields(result_.get()));
    return PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view PostgresRows::bytes(int row, int column) const {
    if (is_null(row, column)) return {};
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t PostgresRows::integer(int row, int column) const {
    const std::string_view value = bytes(row, column);
    TG_ASSERT(value.size() <= 8 && !value.empty());
    std::uint64_t bits = 0;
    for (const char byte : value) bits = (bits << 8U) | static_cast<unsigned char>(byte);
    // Two's complement of 1, 2, 4 or 8 bytes: the sign is shifted up and comes down again over the rest.
    const auto spare = static_cast<int>(64 - 8 * value.size());
    return static_cast<std::int64_t>(bits << spare) >> spare;
}

double PostgresRows::real(int row, int column) const {
    TG_ASSERT(bytes(row, column).size() == sizeof(double));
    return std::bit_cast<double>(integer(row, column));
}

std::uint64_t PostgresRows::affected() const noexcept {
    return parse_u64(PQcmdTuples(result_.get())).value_or(0);
}

std::string_view PostgresRows::command() const noexcept {
    return PQcmdStatus(result_.get());
}

void PostgresLink::Finish::operator()(pg_conn* connection) const noexcept {
    PQfinish(connection);
}

Result<std::unique_ptr<PostgresLink>> PostgresLink::connect(const PostgresOptions& options, const Clock& clock) {
    std::unique_ptr<PostgresLink> link(new PostgresLink(options, clock));
    TG_CHECK(link->open());
    return link;
}

Result<void> PostgresLink::open() {
    if (auto sound = check_url(options_.url); !sound) {
        broken_ = true;
        return sound;
    }
    const std::array<const char*, 6> words{"dbname",          "application_name", "client_encoding",
                                           "keepalives_idle", "tcp_user_timeout", nullptr};
    // A peer that has vanished without a word is noticed within these times (seconds, milliseconds).
    const std::array<const char*, 6> values{
        options_.url.c_str(), options_.application_name.c_str(), "UTF8", "30", "15000", nullptr};
    connection_.reset(PQconnectStartParams(words.data(), values.data(), 1));
    if (connection_ == nullptr) return std::unexpected(broken("no memory"));
    const SteadyTime deadline = clock_.now() + options_.connect_patience;
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (PQstatus(connection_.get()) != CONNECTION_BAD && step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED) break;
        TG_CHECK(wait(step == PGRES_POLLING_WRITING, deadline));
        step = PQconnectPoll(connection_.get());
    }
    if (step != PGRES_POLLING_OK) {
        return std::unexpected(broken(reason_of(PQerrorMessage(connection_.get()))));
    }
    PQsetnonblocking(connection_.get(), 1);
    // Notices are the server's chat; errors come with results.
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    return {};
}

Error PostgresLink::broken(std::string_view why) {
    broken_ = true;
    return {ErrorCode::kUnavailable, fmt::format("the database cannot be reached: {}", why)};
}

Error PostgresLink::error_of(const PostgresRows& rows) {
    const char* state = PQresultErrorField(rows.result_.get(), PG_DIAG_SQLSTATE);
    const std::string_view known = state == nullptr ? "" : state;
    lost_to_another_ = known == "40001" || known == "40P01";
    locked_out_ = known == "55P03";
    if (PQstatus(connection_.get()) == CONNECTION_BAD || known.empty()) {
        return broken(reason_of(PQresultErrorMessage(rows.result_.get())));
    }
    const char* primary = PQresultErrorField(rows.result_.get(), PG_DIAG_MESSAGE_PRIMARY);
    return {code_of(known), fmt::format("the database: {} ({})", primary == nullptr ? "" : primary, known)};
}

// One wait until the socket can be read (or, when asked for, written), or the deadline.
Result<void> PostgresLink::wait(bool writable, SteadyTime deadline) {
    pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
    if (writable) socket.events = static_cast<short>(socket.events | POLLOUT);
    if (socket.fd < 0) return std::unexpected(broken("the connection is closed"));
    // So often `stop` is looked at.
    constexpr std::int64_t kSlice = 100;
    while (options_.stop == nullptr || !options_.stop->load(std::memory_order_relaxed)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.now()).count();
        if (left <= 0) {
            gave_up_ = true;
            return std::unexpected(broken("no answer in time"));
        }
        if (::poll(&socket, 1, static_cast<int>(std::min(left, kSlice))) > 0) return {};
    }
    return std::unexpected(broken("stopped"));
}

Result<void> PostgresLink::sent(int accepted) {
    if (accepted == 1) return {};
    return std::unexpected(broken(reason_of(PQerrorMessage(connection_.get()))));
}

// The next result; one without a result object at the end of a statement.
Result<PostgresRows> PostgresLink::next(SteadyTime deadline) {
    while (true) {
        const int unsent = PQflush(connection_.get());
        if (unsent < 0) return std::unexpected(broken(reason_of(PQerrorMessage(connection_.get()))));
        if (unsent == 0 && PQisBusy(connection_.get()) == 0) return PostgresRows(PQgetResult(connection_.get()));
        TG_CHECK(wait(unsent != 0, deadline));
        if (PQconsumeInput(connection_.get()) == 0) {
            return std::unexpected(broken(reason_of(PQerrorMessage(connection_.get()))));
        }
    }
}

Result<PostgresRows> PostgresLink::last_of_all(Duration patience) {
    const SteadyTime deadline = clock_.now() + (patience > Duration(0) ? patience : options_.patience);
    lost_to_another_ = locked_out_ = false;
    PostgresRows last(nullptr);
    std::optional<Error> error;
    while (true) {
        TG_TRY(PostgresRows rows, next(deadline));
        if (rows.result_ == nullptr) break;
        const ExecStatusType status = PQresultStatus(rows.result_.get());
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) return rows;
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && !error) error = error_of(rows);
        last = std::move(rows);
    }
    if (error) return std::unexpected(*std::move(error));
    return last;
}

Result<PostgresRows> PostgresLink::run(const std::string& statements, Duration patience) {
    if (broken_) return std::unexpected(broken("the connection was lost"));
    const QueryTimer timer(statements);
    TG_CHECK(sent(PQsendQuery(connection_.get(), statements.c_str())));
    return last_of_all(patience);
}

Result<PostgresRows> PostgresLink::run(const std::string& statement, const PostgresValues& values) {
    if (broken_) return std::unexpected(broken("the connection was lost"));
    const QueryTimer timer(statement);
    return run_as(nullptr, statement, values);
}

Result<PostgresRows> PostgresLink::run_kept(const std::string& statement, const PostgresValues& values) {
    if (broken_) return std::unexpected(broken("the connection was lost"));
    const QueryTimer timer(statement);
    auto kept = kept_.find(statement);
    if (kept == kept_.end()) {
        if (kept_.size() == kKeptMax) return run_as(nullptr, statement, values);
        std::string name = fmt::format("tidegate{}", kept_.size());
        TG_CHECK(sent(PQsendPrepare(connection_.get(), name.c_str(), statement.c_str(), 0, nullptr)));
        TG_CHECK(last_of_all(Duration(0)));
        kept = kept_.emplace(statement, std::move(name)).first;
    }
    return run_as(kept->second.c_str(), statement, values);
}

Result<PostgresRows> PostgresLink::run_as(const char* name, const std::string& statement,
                                          const PostgresValues& values) {
    std::vector<const char*> pointers;
    std::vector<int> lengths;
    for (const auto& [owned, borrowed] : values.values_) {
        const std::string_view bytes = borrowed.data() == nullptr ? std::string_view(owned) : borrowed;
        pointers.push_back(bytes.data());
        lengths.push_back(static_cast<int>(bytes.size()));
    }
    const std::vector<int> formats(pointers.size(), kBinary);
    const int count = static_cast<int>(pointers.size());
    TG_CHECK(sent(name == nullptr ? PQsendQueryParams(connection_.get(), statement.c_str(), count, nullptr,
                                                      pointers.data(), lengths.data(), formats.data(), kBinary)
                                  : PQsendQueryPrepared(connection_.get(), name, count, pointers.data(), lengths.data(),
                                                        formats.data(), kBinary)));
    return last_of_all(Duration(0));
}

Result<void> PostgresLink::copy(const std::string& statement, std::string_view data) {
    TG_TRY(const PostgresRows begun, run(statement));
    if (PQresultStatus(begun.result_.get()) != PGRES_COPY_IN) {
        return fail(ErrorCode::kInternal, "the database: no COPY was begun");
    }
    TG_CHECK(sent(PQputCopyData(connection_.get(), data.data(), static_cast<int>(data.size()))));
    TG_CHECK(sent(PQputCopyEnd(connection_.get(), nullptr)));
    TG_CHECK(last_of_all(Duration(0)));
    return {};
}

}  // namespace tidegate::store
