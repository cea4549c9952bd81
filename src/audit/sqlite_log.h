// SqliteDecisionLog: the embedded form of the log, one SQLite file, one writer thread, group commit.
//
// Algorithm   The writer takes all that waits, up to batch_records_max, inserts it in one transaction
// together with the
//             hourly sums that the statistics read (audit/rollup.h), commits, then calls back. While a commit
//             runs the next batch gathers: the slower the disk, the larger the batch.
// Durability  `process`: survives the death of the process at any point (the kernel has the bytes). `disk`:
// also of the
//             power (fsync at each commit). Figures: bench/results/audit_append.json.
// Memory      queue_records_max records and queue_bytes_max bytes at most wait.
// When it fails  A failed commit is rolled back and each waiting caller gets kUnavailable; the log is
// degraded until a
//             batch succeeds. A record with an id that the log has already gets kConflict, the rest of the
//             batch stays.
#pragma once

#include <memory>
#include <string>

#include "audit/decision_log.h"
#include "base/clock.h"

namespace tidegate::audit {

enum class Durability : std::uint8_t { kProcess, kDisk };

struct SqliteLogOptions {
    std::string path;  // The database file; its folder exists.
    Durability durability = Durability::kProcess;
    std::size_t batch_records_max =
        1'000;  // From 1,000 rows on a commit's fixed cost is under 1 % of the batch.
    std::size_t queue_records_max = 20'000;
    std::size_t queue_bytes_max = 64 * 1024 * 1024;
    int checkpoint_pages = 4'000;  // 16 MiB of WAL: see bench/results/audit_append.json.
    bool quick_check_at_start = true;
    std::string vfs;  // Tests only: see store::OpenOptions.
};

/// Opens or makes the file, checks it, migrates it, starts the writer. `clock` outlives the log. kDataLoss:
/// the file is damaged. kUnavailable: it cannot be opened or is newer than this program.
Result<std::unique_ptr<DecisionLog>> open_sqlite_log(SqliteLogOptions options, const Clock& clock);

}  // namespace tidegate::audit
