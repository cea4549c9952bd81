// The three steps of spend in Redis, each one script and so one step.
//
// Keys        `PREFIX:{DAY}:c:ACCOUNT`, a hash: `s` spent, `r` open, `f` the highest total anyone ever saw, `o:ORIGIN` what
//             one loop of one process has added to `s`. `PREFIX:{DAY}:o:ACCOUNT`, a sorted set of the open reservations
//             (`ID:COST`) by the time they lapse. The braces keep a day in one slot of a cluster. Both are gone two
//             days after their last change.
// Guarantee   Each may run twice or late without harm: an origin sends its whole total, never a difference, and a reservation
//             goes out of the set once. Time is the server's: processes need not agree on it.
//             Redis must not evict them (maxmemory-policy noeviction or allkeys-* with room).
#pragma once

#include "store/redis.h"

namespace tidegate::pipeline::spend {

/// KEYS: (counters, open) for each account. ARGV: how long the keys stay (ms), id, cost, time to lapse (ms), then (cap, known) for
/// each account. A cost of 0 only looks. Reply: refused account (1, 2; 0: none), then (spent, open before) for each.
const store::RedisScript& reserve_script();
/// KEYS as above. ARGV: stay, id (empty: none), cost, then (origin, total) for each. Reply: (spent, open) for each.
const store::RedisScript& settle_script();
/// KEYS: counters of any number of accounts. ARGV: stay, then (origin, total, known) for each. Reply: (spent, open) for each.
const store::RedisScript& publish_script();

}  // namespace tidegate::pipeline::spend
