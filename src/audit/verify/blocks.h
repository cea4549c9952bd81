// The verification of a log that lies in a database: its blocks, row by row, as the database gives their bytes.
//
// Position    As audit/verify/verify.h: nothing of what writes the log or reads it for the server; docs/postgres.md, "Tables", is all that they
//             have in common. Who asks the database hands over columns as bytes, and everything in them is decoded here.
// Guarantee   That of verify_log(). Instead of HEAD and headers: the row of the head, and the peaks that each block states.
// Memory      What the caller holds: some blocks.
// Threads     One; the log may be written meanwhile.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/verify/verify.h"

namespace tidegate::audit::verify {

/// A row of `audit_head`, each column in the database's binary form.
struct HeadRow {
    std::string format, log_id, size, peaks, first_leaf, first_peaks;
};
/// A row of `audit_blocks`, likewise; valid during the call.
struct BlockRow {
    std::string_view generation, first_leaf, records, crc, peaks, payload;
};

struct BlockSource {
    std::function<Result<HeadRow>()> head;
    /// Calls `take` for the blocks whose first leaf is in [from, to), ascending.
    std::function<Result<void>(std::uint64_t from, std::uint64_t to,
                               const std::function<Result<void>(const BlockRow&)>& take)>
        blocks;
};

/// `evidence.folder`: of the server that writes the log, with `checkpoints` in it; empty: none.
Result<Report> verify_blocks(const Evidence& evidence, const BlockSource& source);

}  // namespace tidegate::audit::verify
