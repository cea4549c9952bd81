// Book: the accounts of a process, the day they are of, and what happened to them.
//
// Position    One a process, shared by the ledgers of all loops.
// Guarantee   The day goes forward only and each midnight of the zone once, whatever the clock does: put back, the day stays
//             the one that was reached until its own end.
// Threads     Any. A request reads one atomic pointer to know its day.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include "audit/views/spend.h"
#include "base/mutex.h"
#include "base/random.h"
#include "pipeline/spend/accounts.h"
#include "pipeline/spend/zone.h"

namespace tidegate::pipeline::spend {

/// Relaxed atomics; app/ shows them as metrics.
struct SpendCounters {
    using Count = std::atomic<std::uint64_t>;
    Count admitted{0};
    Count refused_key{0}, refused_address{0}, refused_tenant{0};
    Count refused_full{0};      // No place for the account.
    Count charged_milli{0};     // Thousandths of points settled.
    Count refunded_milli{0};    // Thousandths reserved and not charged.
    Count local{0};             // Judged by this process alone although totals are shared: Redis was away or refused.
    Count shared_failures{0};   // Commands to Redis that failed.
    Count releases_dropped{0};  // Reservations left to expire in Redis because too many waited for it to come back.
    Count unmirrored{0};        // Charges that will not be added to Redis when it is back: too many accounts at once.
    Count loops_degraded{0};    // A gauge: loops whose totals are not shared though they should be.
};

class Book {
  public:
    /// `random`: for the seed of the accounts.
    Book(Zone zone, std::size_t accounts_max, UnixMillis now, Random& random);

    /// Of `now`, or the latest that was ever asked for.
    const Day& day(UnixMillis now);
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
