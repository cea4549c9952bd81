// Spend of the segment log: what each actor and each tenant was charged since a moment, summed by one scan.
//
// Position    Beside views/spend.h, whose SpentSince it gives; a server that starts asks it once for the day so far.
// Algorithm   Segments whose zone map ends before `since` are left out; of the others only the header of each record, its spend and
//             two names are looked at. Speed: bench/statistics_bench.cpp.
// Memory      One entry for each actor that was charged.
// Threads     Any worker thread. Reads the disk.
#pragma once

#include "audit/log_reader.h"
#include "audit/views/spend.h"
#include "base/clock.h"
#include "base/result.h"

namespace tidegate::audit {

/// Decisions made at `since` or later, by their own time, in any order in the log. Events are not charged.
Result<SpentSince> scan_spent(const LogReader& reader, UnixMillis since);

}  // namespace tidegate::audit
