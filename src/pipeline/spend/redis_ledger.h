// The ledger that processes share over Redis: one of them a loop, over that loop's own connection.
//
// Position    Where a Redis is set up, in place of the local ledger. All loops of a process share its Book.
// Guarantee   While Redis answers: admitted exactly when what all processes have settled and hold is within the cap, judged in
//             one script (redis_scripts.h); a settlement counts once however often it is sent. reserve() answers later, on the
//             loop. Reservations of a process that died lapse after reservation_max (by Redis' clock) and are given back by
//             the next request of the same account. One that is settled after it has lapsed is charged all the same: keep
//             reservation_max above the longest request.
// When it fails  Redis away, slow, full: the process judges alone, at once, on the last known total plus what it has spent and
//             holds itself plus what others held then; counted (SpendCounters::local), degraded() is true. When Redis is back
//             each loop sends its totals of the day. Bound: a cap C of which T were spent at the last word is passed by at most
//             (processes - 1) x (C - T), as each process admits no more than the rest it knew.
//             A Redis that comes back empty: every loop sends its totals again on connecting, and with each request the highest
//             total it knew, below which no process goes. Until all have connected again (the connection's pause, 5 s at most)
//             what is spent meanwhile may go uncounted, then it is counted. Processes that have ended are known only by that
//             highest total, and a Redis and all processes that start together begin with what each reads in its own log.
// Memory      Mirror (80 bytes an account charged by this loop), releases_max reservations to give back (64 bytes each; over it
//             they are left to lapse, counted).
// Threads     The loop's, except that a Reservation may be settled anywhere. Call stop() on the loop before the connection and
//             the loop go.
#pragma once

#include <memory>
#include <string>

#include "pipeline/spend/book.h"
#include "runtime/event_loop.h"
#include "store/redis.h"

namespace tidegate::pipeline::spend {

struct RedisLedgerOptions {
    std::string prefix = "tidegate:spend";  // Servers that share caps share it.
    Duration reservation_max = std::chrono::minutes(5);
    std::size_t accounts_max = 65'536;
    std::size_t releases_max = 16'384;
    Duration retry = std::chrono::seconds(1);  // After Redis refused a command though it is there (full, loading).
};

class RedisLedger : public Ledger {
  public:
    /// Leaves the connection alone from now on: what is settled later stays in this process.
    virtual void stop() noexcept = 0;
};

/// `redis` and `loop` outlive stop(). Called on the loop's thread or before it runs.
std::shared_ptr<RedisLedger> make_redis_ledger(std::shared_ptr<Book> book, store::Redis& redis,
                                               runtime::EventLoop& loop, Random& random, RedisLedgerOptions options);

}  // namespace tidegate::pipeline::spend
