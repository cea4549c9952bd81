// copy_log(): the log of a folder as it stands, into another folder, while a server writes it.
//
// Guarantee   Every record that was acknowledged before the call is in the copy; the copy is a beginning of the log, sound by itself, with
//             checkpoints of nothing that is not in it. The folder that is read is not changed and its lock not taken.
// Algorithm   What speaks of the records is read before them: checkpoints, HEAD, then the names. All segments but the last are full
//             and copied whole; of the last one the batches that are sound now are copied, which nobody writes again, and zeroes follow.
//             Tiles and views are left out: they are made again from the records.
// When it fails  Retention took a segment away meanwhile: tried again. kDataLoss: the log is damaged. kNotFound: there is no log.
// Memory      1 MiB, and one batch.
// Threads     One.
#pragma once

#include <cstdint>
#include <string>

#include "audit/segments/log_file.h"
#include "base/result.h"

namespace tidegate::audit::segments {

struct Snapshot {
    std::uint64_t first_leaf = 0;
    std::uint64_t end_leaf = 0;
    std::uint64_t segments = 0;
    std::uint64_t bytes = 0;  // That were copied.
};

/// `to` exists and is empty.
Result<Snapshot> copy_log(const LogFolder& from, LogFolder& to);

}  // namespace tidegate::audit::segments
