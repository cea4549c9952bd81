#include "services/content/database/postgres_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace tidegate::content {
namespace {

using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

constexpr Duration kFailFast = std::chrono::seconds(1);
constexpr std::string_view kNotCertain = "whether it was stored is not certain";

/// As callers may know it.
Error told(Error error) {
    switch (error.code) {
        case ErrorCode::kUnavailable:
            return error;
        case ErrorCode::kDeadlineExceeded:
            return {ErrorCode::kUnavailable, "the database has found no answer in time"};
        case ErrorCode::kPermissionDenied:
            return {ErrorCode::kUnavailable, std::move(error.message)};
        default:
            return {ErrorCode::kInternal, std::move(error.message)};
    }
}

// What was acknowledged is on the disk: not so without fsync, and a standby takes nothing.
Result<void> check_server(PostgresLink& link, std::string_view holds) {
    TG_TRY(const PostgresRows rows,
           link.run("SELECT current_setting('fsync') = 'on', pg_is_in_recovery()", PostgresValues()));
    if (rows.integer(0, 1) != 0) {
        return fail(ErrorCode::kUnavailable, fmt::format("the database is a standby: it takes no {}", holds));
    }
    if (rows.integer(0, 0) == 0) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("the database runs with fsync off: what it acknowledges may be lost, so it cannot hold "
                                "the {}",
                                holds));
    }
    return {};
}

}  // namespace

Error uncertain_commit(std::string_view why, std::string_view again) {
    return {ErrorCode::kUnavailable, fmt::format("{} ({}){}", kNotCertain, why, again)};
}

bool is_uncertain_commit(const Error& error) noexcept {
    return error.code == ErrorCode::kUnavailable && error.message.starts_with(kNotCertain);
}

bool is_postgres_text(std::string_view text) noexcept {
    return !text.contains('\0') && utf8::is_valid(text);
}

void StoreWatch::note_answer() {
    const Lock lock(mutex_);
    trouble_.reset();
    failed_.reset();
}

void StoreWatch::note_loss(const Error& error, const Clock& clock) {
    const Lock lock(mutex_);
    if (!trouble_) {
        trouble_ = Trouble{.reason = error.message, .since_ms = clock.unix_ms()};
    } else {
        trouble_->reason = error.message;
    }
}

std::optional<StoreWatch::Trouble> StoreWatch::trouble() const {
    const Lock lock(mutex_);
    return trouble_;
}

std::optional<Error> StoreWatch::just_failed(SteadyTime now) const {
    const Lock lock(mutex_);
    return failed_ && now - failed_at_ < kFailFast ? failed_ : std::nullopt;
}

void StoreWatch::note_failed_connect(const Error& error, SteadyTime now) {
    const Lock lock(mutex_);
    failed_ = error;
    failed_at_ = now;
}

store::PostgresOptions PostgresSession::options(const PostgresPlace& place, const PostgresUse& use) {
    store::PostgresOptions options;
    options.url = place.url;
    options.application_name = use.application;
    options.patience = place.patience;
    options.stop = place.stop;
    return options;
}

Result<void> PostgresSession::connect() {
    if (auto failed = place_.watch->just_failed(clock_.now())) return std::unexpected(*std::move(failed));
    auto link = PostgresLink::connect(options(place_, use_), clock_);
    if (!link) {
        const Error error = told(std::move(link).error());
        place_.watch->note_failed_connect(error, clock_.now());
        place_.watch->note_loss(error, clock_);
        return std::unexpected(error);
    }
    // A server goes on with a question whose asker has left, so it has a limit of its own, before our patience ends.
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(place_.patience).count() * 9 / 10;
    auto set =
        (*link)->run(fmt::format("SET search_path = {}; SET synchronous_commit = on; SET statement_timeout = {}; {}",
                                 place_.schema, std::max<std::int64_t>(1, limit), use_.settings));
    Result<void> ready;
    if (!set) ready = std::unexpected(std::move(set).error());
    if (ready) ready = check_server(**link, use_.holds);
    if (!ready) {
        const Error error = told(std::move(ready).error());
        place_.watch->note_failed_connect(error, clock_.now());
        place_.watch->note_loss(error, clock_);
        return std::unexpected(error);
    }
    link_ = *std::move(link);
    return {};
}

Error PostgresSession::told_of(PostgresLink& link, Error error) {
    if (link.locked_out()) return {ErrorCode::kUnavailable, "another server works on the same for too long"};
    // A deadlock, transactions that exclude each other: nothing is wrong with the statement.
    if (link.lost_to_another()) return {ErrorCode::kUnavailable, std::move(error.message)};
    return told(std::move(error));
}

Result<PostgresRows> PostgresSession::ask_once(const std::string& statement, const PostgresValues& values, bool kept) {
    if (link_ == nullptr || link_->broken()) TG_CHECK(connect());
    auto rows = kept ? link_->run_kept(statement, values) : link_->run(statement, values);
    if (!link_->broken()) place_.watch->note_answer();
    if (rows) return rows;
    const Error error = told_of(*link_, std::move(rows).error());
    if (link_->broken()) place_.watch->note_loss(error, clock_);
    return std::unexpected(error);
}

Result<PostgresRows> PostgresSession::ask_twice(const std::string& statement, const PostgresValues& values) {
    const bool had_one = link_ != nullptr && !link_->broken();
    auto rows = ask_once(statement, values);
    // One that was lost while nobody asked is found out by asking. A server that is slow is not asked twice.
    if (!rows && had_one && link_->broken() && !link_->gave_up()) return ask_once(statement, values);
    return rows;
}

Result<PostgresRows> PostgresSession::ask(const std::string& statement, const PostgresValues& values) {
    if (!in_transaction_) return ask_twice(statement, values);
    if (link_->broken()) return fail(ErrorCode::kUnavailable, "the database was lost in the middle of it");
    return ask_once(statement, values);
}

Result<PostgresRows> PostgresSession::ask_kept(const std::string& statement, const PostgresValues& values) {
    if (!in_transaction_) return fail(ErrorCode::kInternal, "a statement is kept for transactions alone");
    if (link_->broken()) return fail(ErrorCode::kUnavailable, "the database was lost in the middle of it");
    return ask_once(statement, values, true);
}

Result<void> PostgresSession::begin(const std::string& how) {
    TG_CHECK(ask_twice(how, PostgresValues()));
    in_transaction_ = true;
    return {};
}

Result<void> PostgresSession::commit() {
    in_transaction_ = false;
    if (link_->broken()) return fail(ErrorCode::kUnavailable, "the database was lost in the middle of it");
    auto done = ask_once("COMMIT", PostgresValues());
    // A server that answers with an error has rolled it back; one that is going down may have written it before.
    if (!done && !link_->broken() && done.error().code != ErrorCode::kUnavailable) {
        return std::unexpected(std::move(done).error());
    }
    if (!done) return std::unexpected(uncertain_commit(done.error().message, use_.again));
    if (done->command() != "COMMIT") return fail(ErrorCode::kInternal, "the database rolled it back");
    return {};
}

void PostgresSession::roll_back() noexcept {
    if (!in_transaction_) return;
    in_transaction_ = false;
    // On a connection that is lost the server has done it.
    if (!link_->broken()) [[maybe_unused]]
        const auto done = ask_once("ROLLBACK", PostgresValues());
}

}  // namespace tidegate::content
