// SqliteDecisionLog: the embedded form of the log, one SQLite file, one writer thread, group commit.
//
// Algorithm   The writer takes all that waits, up to batch_records_max, inserts it in one transaction together with the
//             hourly sums that the statistics read (audit/rollup.h), commits, then calls back. While a commit runs the
//             next batch gathers: the slower the disk, the larger the batch. A commit that follows another within
//             commit_interval waits for the rest of it. Moving the WAL into the database is a thread of its own
//             (audit/caretaker.h).
// Durability  `process`: survives the death of the process at any point (the kernel has the bytes). `disk`: also of the
//             power (fsync at each commit). Figures: bench/results/audit_append.json.
// Memory      queue_records_max records and queue_bytes_max bytes at most wait.
// Guarantee   One writer of a file at a time, in all processes: `path`.lock is held while the log is open.
// When it fails  A failed commit is rolled back and each waiting caller gets kUnavailable; the log is degraded until a
//             batch, or a probe of the disk, succeeds. A record with an id that the log has already gets kConflict, the rest of the batch stays.
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
    std::size_t batch_records_max = 1'000;  // From 1,000 rows on a commit's fixed cost is under 1 % of the batch.
    // One commit costs 25 to 60 us of CPU however small it is (measured), one more row 5 us: so commits that follow
    // each other gather for so long. Not after a pause, and not while there is one caller only.
    Duration commit_interval = std::chrono::microseconds(500);
    std::size_t queue_records_max = 20'000;
    std::size_t queue_bytes_max = 64 * 1024 * 1024;
    // 16 MiB of WAL for the caretaker to move. Four times as much and the writer does it itself, so that the WAL
    // stays bounded.
    int checkpoint_pages = 4'000;
    // A file up to this is checked before the log opens (750 MB/s measured: 90 ms), a larger one in the background.
    std::uint64_t check_first_bytes_max = 64 * 1024 * 1024;
    // After a failed commit: how long until the writer tries the disk by itself. A balancer that asks /ready sends
    // nothing meanwhile, so no batch would come to find out.
    Duration probe_interval = std::chrono::seconds(1);
    // One page always fits somewhere on a full disk (measured: in what the failed commit left of the WAL): the disk is
    // well again when it has room for a few commits.
    std::uint64_t probe_free_bytes = 1024 * 1024;
    std::string vfs;  // Tests only: see store::OpenOptions.
};

/// Opens or makes the file, checks it, migrates it, starts the writer. `clock` outlives the log. kDataLoss:
/// the file is damaged. kUnavailable: it cannot be opened or is newer than this program. kConflict: another writer has it
/// open.
Result<std::unique_ptr<DecisionLog>> open_sqlite_log(SqliteLogOptions options, const Clock& clock);

}  // namespace tidegate::audit
