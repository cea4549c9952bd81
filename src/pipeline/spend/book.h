// Book: the accounts of a process, the day they are of, and what happened to them.
//
// Position    One a process, shared by the ledgers of all loops.
// Guarantee   The day goes forward only and each midnight of the zone once, whatever the clock does: put back, the day stays
//             the one that was reached until its own end.
// When wrong  A clock that ran ahead past a midnight and is set right leaves the day that it had reached: what is spent counts for
//             that day, and a cap that is used up stays so until its end. Nobody gets a second allowance; some may get none.
//             ahead_ms() is then not 0 (tidegate_spend_day_ahead_seconds). A restart is the cure: it sums the right day from the
//             log, with what was charged under the wrong times as if it were of that day. It is not done in a running process:
//             reservations under way are of the wrong day, and settling them would carry their accounts back to it.
// Threads     Any. A request reads one atomic pointer to know its day.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "audit/views/spend.h"
#include "base/mutex.h"
#include "base/random.h"
#include "observe/metrics.h"
#include "pipeline/spend/accounts.h"
#include "pipeline/spend/zone.h"

namespace tidegate::pipeline::spend {

/// Shown as metrics by declare_metrics() (metrics.h).
struct SpendCounters {
    observe::Counter admitted;
    observe::Counter refused_key, refused_address, refused_tenant;
    observe::Counter refused_full;    // No place for the account.
    observe::Counter charged_milli;   // Thousandths of points settled.
    observe::Counter refunded_milli;  // Thousandths reserved and not charged.
    observe::Counter local;  // Judged by this process alone although totals are shared: Redis was away or refused.
    observe::Counter shared_failures;   // Commands to Redis that failed.
    observe::Counter releases_dropped;  // Reservations left to lapse in Redis: too many waited for it to come back.
    observe::Counter unmirrored;        // Charges that Redis will not get when it is back: too many accounts at once.
    std::atomic<std::uint64_t> loops_degraded{0};  // Loops whose totals are not shared though they should be.
};

class Book {
  public:
    /// `random`: for the seed of the accounts.
    Book(Zone zone, std::size_t accounts_max, UnixMillis now, Random& random);

    /// Of `now`, or the latest that was ever asked for.
    const Day& day(UnixMillis now);
    /// By how much the day is still to begin: a clock that was ahead has been set right. 0 otherwise.
    UnixMillis ahead_ms(UnixMillis now) const noexcept;
    /// What was charged since the day began, from the log: at a start, before the first request.
    void load(const audit::SpentSince& spent);

    Accounts& accounts() noexcept { return accounts_; }
    SpendCounters& counters() noexcept { return counters_; }
    const Zone& zone() const noexcept { return zone_; }

    Usage usage_of(const Accounts::Pair& pair, const Day& day) const;
    /// Counts it.
    Refusal refuse(Accounts::Verdict verdict, const Payer& payer, const Accounts::Pair& pair, Points cost,
                   const Day& day);

  private:
    const Zone zone_;
    Accounts accounts_;
    SpendCounters counters_;
    std::atomic<const Day*> current_;
    Mutex mutex_;
    std::deque<Day> days_ TG_GUARDED_BY(mutex_);  // Never shortened: 16 bytes a day.
};

/// The tighter cap's remainder after `cost`; absent when neither has one.
std::optional<Points> remaining_after(const Accounts::Pair& before, Points cost) noexcept;

}  // namespace tidegate::pipeline::spend
