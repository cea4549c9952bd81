// PostgresSession: one connection to the database of texts; one that was lost is made again.
//
// Guarantee   Outside of a transaction a question is put once more on a new connection when its own was lost: only what reads may be asked
//             there. Within one nothing is repeated. A COMMIT without an answer is told as not certain.
// Errors      kUnavailable: the database is away, too slow, or refuses us; kInternal: it does not take our statement. No others, so that a
//             trouble of the database is never taken for a fault of the caller.
// Threads     One at a time; StoreWatch any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "store/postgres.h"

namespace tidegate::content {

/// Of a COMMIT that had no answer: the texts may be stored or not.
Error uncertain_commit(std::string_view why);
/// Made by uncertain_commit().
bool is_uncertain_commit(const Error& error) noexcept;

struct PostgresPlace {
    std::string url;
    std::string schema = "tidegate";
    Duration patience = std::chrono::seconds(10);  // Of a statement.
};

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

class PostgresSession {
  public:
    /// Connects when it is first asked. `clock` outlives it.
    PostgresSession(PostgresPlace place, std::shared_ptr<StoreWatch> watch, const Clock& clock)
        : place_(std::move(place)), watch_(std::move(watch)), clock_(clock) {}

    Result<store::PostgresRows> ask(const std::string& statement, const store::PostgresValues& values = {});
    /// `BEGIN ...`
    Result<void> begin(const std::string& how);
    Result<void> commit();
    void roll_back() noexcept;
    bool in_transaction() const noexcept { return in_transaction_; }

  private:
    Result<void> connect();
    Result<store::PostgresRows> ask_once(const std::string& statement, const store::PostgresValues& values);
    Result<store::PostgresRows> ask_twice(const std::string& statement, const store::PostgresValues& values);

    const PostgresPlace place_;
    const std::shared_ptr<StoreWatch> watch_;
    const Clock& clock_;
    std::unique_ptr<store::PostgresLink> link_;
    bool in_transaction_ = false;
};

/// Where the sessions of the service come from: the tables are there and of our version.
class PostgresTexts {
  public:
    /// Makes or changes the tables. Errors of store::migrate(), and those of a server that cannot hold texts.
    static Result<std::unique_ptr<PostgresTexts>> open(PostgresPlace place, const Clock& clock);
    std::unique_ptr<PostgresSession> session() const;
    std::optional<StoreWatch::Trouble> trouble() const { return watch_->trouble(); }

  private:
    PostgresTexts(PostgresPlace place, const Clock& clock) : place_(std::move(place)), clock_(clock) {}
    const PostgresPlace place_;
    const Clock& clock_;
    const std::shared_ptr<StoreWatch> watch_ = std::make_shared<StoreWatch>();
};

}  // namespace tidegate::content
