// DecisionLog: where Decisions go; durable before they are acknowledged, in one order.
//
// Position    Services and the pipeline append; views read what was committed.
// Guarantee   `done` is called exactly once for each append: with success only after the record is durable as the log
//             was told to be, with an error when that is not certain. Nothing is dropped in silence: whoever appended
//             is told.
// Threads     append() from any thread; it never blocks and never runs `done` under a lock. `done` runs on the writer
//             thread, or on the caller's when the record is refused at once; it must be short and must not throw.
// When full   kUnavailable at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "audit/decision.h"
#include "base/result.h"

namespace tidegate::audit {

/// What the check of the stored bytes has found.
enum class Integrity : std::uint8_t {
    kUnchecked,  // Not asked for, or it could not run.
    kChecking,   // A large file is checked in the background.
    kSound,
    kDamaged,  // `reason` says what; the log is degraded for good.
};

/// A view that is kept while the log is written (audit/follower.h).
struct FollowerHealth {
    std::string name;
    std::uint64_t position = 0;  // The first leaf that it does not hold.
    bool behind = false;         // It failed and is to be given again what it misses.
    std::string reason;          // Of its last failure; empty when none ever was.
};

/// Where the log stands. Totals since the start.
struct LogHealth {
    bool degraded = false;  // The last write failed; the log tries again by itself.
    std::string reason;     // Of the last failure; empty when none ever was.
    UnixMillis degraded_since = 0;
    std::uint64_t appended = 0;         // Records durable and acknowledged.
    std::uint64_t failed = 0;           // Records whose write failed; their callers were told, or a gap was noted.
    std::uint64_t refused_full = 0;     // Records refused because the queue was full or the disk takes none.
    std::uint64_t refused_invalid = 0;  // Records that check() refused.
    std::uint64_t commits = 0;          // Batches written.
    std::uint64_t commit_failures = 0;
    std::uint64_t queue_records = 0;  // Waiting now.
    std::uint64_t queue_bytes = 0;
    std::uint64_t gap_records = 0;   // Lost after their answers had gone, all told.
    std::uint64_t gap_unlogged = 0;  // Of those: not yet in the log as an event.
    std::uint64_t checkpoint_failures = 0;
    Integrity integrity = Integrity::kUnchecked;
    std::int64_t commit_us_last = 0;
    std::int64_t commit_us_max = 0;
    std::uint64_t size = 0;   // Records of the log, those that retention removed included.
    std::uint64_t first = 0;  // The first that is still there.
    std::string note;  // What went on in the background without harm, such as a seal that is tried again; mostly empty.
    std::vector<FollowerHealth> followers;
};

class DecisionLog {
  public:
    using Done = std::move_only_function<void(Result<void>)>;

    virtual ~DecisionLog() = default;
    virtual void append(Decision decision, Done done) = 0;
    /// All or nothing, and next to each other in the log.
    virtual void append_batch(std::vector<Decision> decisions, Done done) = 0;
    /// As append_batch(), but `taken` is called as soon as the records wait their turn, not when they are durable. What is lost
    /// after that is noted and appended as an event (`audit`, `gap`) once the log takes records again. A log that knows no
    /// difference tells when they are durable.
    virtual void submit(std::vector<Decision> decisions, Done taken) {
        append_batch(std::move(decisions), std::move(taken));
    }
    virtual LogHealth health() const = 0;
    /// Waits until everything appended before the call is committed or refused. Never on an event loop.
    virtual void flush() = 0;
    /// Takes nothing new (kUnavailable), commits what waits, ends the writer. Once; the destructor does it
    /// too.
    virtual void close() = 0;
};

}  // namespace tidegate::audit
