// PostgresSession: one connection to the database of texts and books; one that was lost is made again.
//
// Guarantee   Outside of a transaction a question is put once more on a new connection when its own was lost: only what reads may be asked
//             there. Within one nothing is repeated. A COMMIT without an answer is told as not certain.
// Errors      kUnavailable: the database is away, too slow, or refuses us; kInternal: it does not take our statement. No others, so that a
//             trouble of the database is never taken for a fault of the caller.
// Threads     One at a time; StoreWatch any.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "store/postgres.h"

namespace tidegate::content {

/// Of a COMMIT that had no answer: what was written may be stored or not. `again`: what to do then, in words behind it.
Error uncertain_commit(std::string_view why, std::string_view again = {});
/// Made by uncertain_commit().
bool is_uncertain_commit(const Error& error) noexcept;

/// PostgreSQL's text takes it: UTF-8 without a zero byte.
bool is_postgres_text(std::string_view text) noexcept;

/// Whether the database answers, as its sessions last saw it.
class StoreWatch {
  public:
    struct Trouble {
        std::string reason;
        UnixMillis since_ms = 0;
    };
    void note_answer();
    void note_loss(const Error& error, const Clock& clock);
    std::optional<Trouble> trouble() const;
    /// So soon after an attempt to connect that failed its error is everybody's: who waits for a host that is silent holds a thread.
    std::optional<Error> just_failed(SteadyTime now) const;
    void note_failed_connect(const Error& error, SteadyTime now);

  private:
    mutable Mutex mutex_;
    std::optional<Trouble> trouble_ TG_GUARDED_BY(mutex_);
    std::optional<Error> failed_ TG_GUARDED_BY(mutex_);
    SteadyTime failed_at_ TG_GUARDED_BY(mutex_){};
};

struct PostgresPlace {
    std::string url;
    std::string schema = "tidegate";
    Duration patience = std::chrono::seconds(10);  // Of a statement.
    const std::atomic<bool>* stop = nullptr;       // Once true, whatever waits gives up. Outlives the sessions.
    /// Of all sessions at this place and its copies.
    std::shared_ptr<StoreWatch> watch = std::make_shared<StoreWatch>();
};

/// What a session is for.
struct PostgresUse {
    std::string_view application;  // As pg_stat_activity shows it.
    std::string_view holds;        // `texts`: in words of what the database cannot do.
    std::string_view again;        // Behind the words of a COMMIT without an answer.
    std::string_view settings;     // Of the session: `SET jit = off`.
};

class PostgresSession {
  public:
    /// Connects when it is first asked. `clock` outlives it.
    PostgresSession(PostgresPlace place, const PostgresUse& use, const Clock& clock)
        : place_(std::move(place)), use_(use), clock_(clock) {}

    /// Of another session as patient as that of `place`.
    static store::PostgresOptions options(const PostgresPlace& place, const PostgresUse& use);

    Result<store::PostgresRows> ask(const std::string& statement, const store::PostgresValues& values = {});
    /// Within a transaction: a statement that the server keeps (store::PostgresLink::run_kept()).
    Result<store::PostgresRows> ask_kept(const std::string& statement, const store::PostgresValues& values);
    /// `BEGIN ...`
    Result<void> begin(const std::string& how);
    Result<void> commit();
    void roll_back() noexcept;
    bool in_transaction() const noexcept { return in_transaction_; }
    /// The last statement failed because of what another session did (store::PostgresLink).
    bool lost_to_another() const noexcept { return link_ != nullptr && link_->lost_to_another(); }
    /// The last statement failed because another session held a lock for too long.
    bool locked_out() const noexcept { return link_ != nullptr && link_->locked_out(); }

  private:
    Result<void> connect();
    /// What `link` says of a statement, as callers may know it.
    static Error told_of(store::PostgresLink& link, Error error);
    Result<store::PostgresRows> ask_once(const std::string& statement, const store::PostgresValues& values,
                                         bool kept = false);
    Result<store::PostgresRows> ask_twice(const std::string& statement, const store::PostgresValues& values);

    const PostgresPlace place_;
    const PostgresUse use_;
    const Clock& clock_;
    std::unique_ptr<store::PostgresLink> link_;
    bool in_transaction_ = false;
};

}  // namespace tidegate::content
