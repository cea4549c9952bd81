// The ledger of one process: exact, in memory, never waits.
//
// Position    Where no Redis is set up. One for all loops.
// Threads     Any.
#pragma once

#include <memory>

#include "pipeline/spend/book.h"

namespace tidegate::pipeline::spend {

/// Always answers at once; `done` is never called.
std::shared_ptr<Ledger> make_local_ledger(std::shared_ptr<Book> book);

/// What both ledgers do when a process judges alone.
Ledger::Outcome reserve_locally(Book& book, std::shared_ptr<Ledger> ledger, const Payer& payer, Points cost,
                                UnixMillis now, bool already_held);
/// Counts a settlement.
void count_settled(SpendCounters& counters, Points cost, Points actual) noexcept;

}  // namespace tidegate::pipeline::spend
