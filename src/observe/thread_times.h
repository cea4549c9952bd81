// What the threads of this process have cost so far, and what its heap holds.
//
// Threads     Any.
#pragma once

#include <map>
#include <string>

namespace tidegate::observe {

struct ThreadGroup {
    double cpu_seconds = 0;  // User and system, of the threads that live.
    double threads = 0;
};
/// By group: a thread's name up to the first `:` (`model:score` -> `model`); those without a name of their own are `other`. Reads
/// /proc/self/task: some 20 microseconds a thread.
std::map<std::string, ThreadGroup> read_threads();

/// NaN where the allocator does not tell (AddressSanitizer's does not).
struct HeapSample {
    double used_bytes = 0;   // Handed out.
    double arena_bytes = 0;  // Taken from the system, in use or kept for later.
};
HeapSample read_heap();

}  // namespace tidegate::observe
