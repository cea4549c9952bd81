// Flame: a profile as a tree of calls in JSON, for a flame graph.
//
//   {"type": "cpu", "unit": "nanoseconds", "taken_at": "...", "seconds": 5.01, "period": 10000000, "dropped": 0,
//    "threads_missed": 0, "root": {"name": "all", "self": 0, "total": 510, "children": [...]}}
//
// Guarantee   Of each node: total = self + the totals of its children. Children by name, so that two runs can be compared.
// Threads     Any; Symbols belongs to one.
#pragma once

#include <string>

#include "observe/profile/profile.h"
#include "observe/profile/symbols.h"

namespace tidegate::profile {

/// `self` and `total` are values of types[type]. Where samples name their thread, threads are the first level.
std::string to_flame(const Profile& profile, std::size_t type, Symbols& symbols);

}  // namespace tidegate::profile
