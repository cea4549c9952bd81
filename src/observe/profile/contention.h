// Contention: where threads waited for a lock, and how long, since the process began to count.
//
// Position    Listens to the one Mutex (base/mutex.h), which tells of a wait only when there was one: a lock that is free costs
//             nothing. The stack is that of the thread that waited, not of the one that held.
// Threads     Any.
#pragma once

#include "base/clock.h"
#include "observe/profile/profile.h"

namespace tidegate::profile {

/// Begins to count; a second call does nothing. False where stacks cannot be read.
bool start_contention(const Clock& clock);
/// Types `contentions` and `delay`.
Profile contention_profile(const Clock& clock);

}  // namespace tidegate::profile
