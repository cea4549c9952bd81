// The ledger of one process: exact, in memory, never waits.
//
// Position    Where no Redis is set up. One for all loops, or, so that they share no reference count, one for each over the
//             same Book.
// Threads     Any.
#pragma once

#include <memory>

#include "pipeline/spend/book.h"

namespace tidegate::pipeline::spend {

/// Always answers at once; `done` is never called.
std::shared_ptr<Ledger> make_local_ledger(std::shared_ptr<Book> book);

/// What a process that judges alone knows of a request already.
struct Held {
    bool is_held = false;      // Accounts::hold() has booked the cost.
    const Day* day = nullptr;  // The day it was booked on; null: the present one.
    std::uint64_t id = 0;      // Of the ticket.
};
/// What both ledgers do then.
Ledger::Outcome reserve_locally(Book& book, std::shared_ptr<Ledger> ledger, const Payer& payer, Points cost,
                                UnixMillis now, const Held& held);
/// Counts a settlement.
void count_settled(SpendCounters& counters, Points cost, Points actual) noexcept;

}  // namespace tidegate::pipeline::spend
