// Cube: exact sums of every decision by minute, hour, day and kind: the follower that the statistics read.
//
// Guarantee   A read counts every record that follow() has taken, once, at one instant. A crash loses nothing: the file says up to
//             where it counts, the log hands out the rest again. A record lies in the minute of its own time (its id's).
// Minutes     The last kMinutesKept, to the hour, are kept by minute, what is older by hour: a window that begins or ends there is
//             widened to whole hours, and visit() says to which. The boundary moves with the clock and never back.
// Algorithm   follow() adds to a pending cell of (minute, kind). Each save_interval, or when there are many, the keeper folds the
//             pending cells into the levels in memory and writes what changed with the position in one transaction
//             (views/cube_store.h). A period that is no longer in memory is the file's cell plus what is not yet saved.
// Memory      The budgets of the levels; pending_bytes_max; unsaved_bytes_max; one total for each kind.
// Threads     follow() on one thread at a time; visit(), save(), reset(), health() on any, visit() never on an event loop.
// When full   follow() wakes the keeper and waits for it, wait_max at most, then kUnavailable: the log hands it the rest later.
// When it fails  A file that cannot be written: degraded, said in health(); counting and reading go on from memory, each interval
//             it is tried again. When unsaved_bytes_max is reached follow() gives kUnavailable until it succeeds.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "audit/follower.h"
#include "audit/segments/format.h"
#include "audit/views/cube_levels.h"
#include "audit/views/cube_store.h"
#include "audit/views/kinds.h"
#include "audit/views/reader_pool.h"
#include "base/mutex.h"

namespace tidegate::audit {

struct CubeOptions {
    std::string path;  // Its own SQLite file.
    std::string vfs;
    // The log that is followed. Another log's sums, or sums of more records than it has, are thrown away at open().
    segments::LogId log_id{};
    std::uint64_t log_end = 0;
    Duration save_interval = std::chrono::seconds(1);
    // 16 MiB are 65,000 cells of a few decisions, so many come at once only from an import. Folded they take twice that, which
    // must stay below unsaved_bytes_max: while one lot is written the next gathers.
    std::size_t pending_bytes_wake = 2UL * 1024 * 1024;
    std::size_t pending_bytes_max = 16UL * 1024 * 1024;
    Duration wait_max = std::chrono::seconds(1);  // Acknowledgements wait as long.
    std::size_t unsaved_bytes_max = 64UL * 1024 * 1024;
    LevelBudgets budgets;
    std::size_t connections = 2;  // For reading periods that are not in memory.
};

struct CubeHealth {
    bool degraded = false;
    std::string reason;  // Of the last failure to save; empty when none ever was.
    std::uint64_t position = 0;
    std::uint64_t saved_position = 0;
    std::uint64_t saves = 0;
    std::uint64_t save_failures = 0;
    std::size_t pending_cells = 0;
    std::size_t pending_bytes = 0;
    std::size_t unsaved_bytes = 0;
    std::size_t level_bytes = 0;
    UnixMillis minutes_from = 0;  // What is older is kept by hour.
    std::uint32_t kinds = 0;
    std::uint64_t lumped = 0;  // Records since the start that are counted under `(other)` (views/kinds.h).
    bool rebuilt = false;      // open() found another log's sums, or more than the log has, and began anew.
};

class Cube final : public Follower {
  public:
    static constexpr Minute kMinutesKept = 2 * kDayMinutes;

    /// `kinds` and `clock` outlive it. kUnavailable: the file cannot be opened; kDataLoss: it is damaged (it may be deleted: all is
    /// counted again from the log).
    static Result<std::unique_ptr<Cube>> open(CubeOptions options, Kinds& kinds, const Clock& clock);
    /// Saves what it can.
    ~Cube() override;

    std::string_view name() const noexcept override { return "statistics"; }
    std::uint64_t position() const noexcept override { return position_.load(std::memory_order_acquire); }
    Result<void> follow(const DurableRecords& records) override;

    /// Folds and writes what was taken before the call; waits for it.
    Result<void> save();
    /// Throws all sums away: position() is 0, of that log. Not beside follow().
    Result<void> reset(const segments::LogId& log_id);
    CubeHealth health() const;

    struct Window {
        Minute from = 0;
        Minute to = 0;
    };
    /// Hands `visitor` cells that make up exactly the records of the minutes that it gives back: [from, to), widened to whole hours
    /// where it begins or ends before the minutes that are kept. `by_period`: no cell reaches over midnight UTC, and they come in
    /// order of time but for the last; otherwise, when the window holds everything, the totals alone are visited.
    Result<Window> visit(Minute from, Minute to, bool by_period, CellVisitor& visitor) const;
    Kinds& kinds() const noexcept { return kinds_; }

  private:
    struct Key {
        Minute minute;
        std::uint32_t kind;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept;
    };
    using Pending = std::unordered_map<Key, Cell, KeyHash>;
    struct Recent {  // The cell that a kind was last added to.
        Key key{-1, 0};
        Cell* cell = nullptr;
    };
    static constexpr std::size_t kRecent = 1024;
    enum class Job : std::uint8_t { kNone, kSave, kReset, kEnd };

    Cube(CubeOptions options, Kinds& kinds, const Clock& clock, std::unique_ptr<CubeStore> store);
    Result<void> start();
    Minute horizon_now() const noexcept;
    Result<void> make_room() TG_EXCLUDES(pending_mutex_, jobs_mutex_);

    // The keeper's.
    void keep();
    Result<void> run(Job job, const segments::LogId& log_id);
    void announce();
    void let_readers_in();
    void fold();
    Result<void> write();
    Result<void> forget(const segments::LogId& log_id);
    Result<void> ask(Job job, const segments::LogId& log_id) TG_EXCLUDES(jobs_mutex_);

    Window widen(Window window) const noexcept;
    std::vector<Span> spans_of(Window window, bool by_period) const TG_REQUIRES(levels_mutex_);
    bool resident(const std::vector<Span>& spans, bool wants_all) const TG_REQUIRES(levels_mutex_);
    void visit_memory(const std::vector<Span>& spans, CellVisitor& visitor) const TG_REQUIRES(levels_mutex_);
    void visit_pending(Window window, CellVisitor& visitor) const TG_EXCLUDES(pending_mutex_);
    Result<bool> visit_file(const std::vector<Span>& spans, Window window, Minute horizon, CellVisitor& visitor) const;

    const CubeOptions options_;
    Kinds& kinds_;
    const Clock& clock_;
    const std::unique_ptr<CubeStore> store_;
    std::shared_ptr<ReaderPool> readers_;
    bool rebuilt_ = false;

    mutable Mutex pending_mutex_;  // After levels_mutex_. follow() holds it for 1,024 records at most.
    Pending pending_ TG_GUARDED_BY(pending_mutex_);
    std::size_t pending_bytes_ TG_GUARDED_BY(pending_mutex_) = 0;
    std::vector<Recent> recent_ TG_GUARDED_BY(pending_mutex_) = std::vector<Recent>(kRecent);
    Condition room_;                          // With pending_mutex_: the keeper has folded.
    std::atomic<std::uint64_t> position_{0};  // Changed under pending_mutex_.

    // Changed by the keeper under levels_mutex_; it reads them without, all others with it.
    std::atomic<bool> keeper_waits_{false};  // For levels_mutex_: who reads lets it go first.
    mutable Mutex levels_mutex_;
    Levels levels_;
    std::atomic<Minute> horizon_{0};    // Of an hour; records before it are counted in the first minute of theirs.
    PeriodCells unsaved_;               // Minutes, folded into levels_ and not in the file.
    std::uint64_t saved_position_ = 0;  // What the file counts; when a commit is just through, folded_position_.
    std::uint64_t folded_position_ = 0;
    std::atomic<std::size_t> unsaved_bytes_{0};

    mutable Mutex jobs_mutex_;
    Condition jobs_wake_;
    Condition jobs_done_;
    Job job_ TG_GUARDED_BY(jobs_mutex_) = Job::kNone;
    segments::LogId job_log_ TG_GUARDED_BY(jobs_mutex_){};
    bool many_pending_ TG_GUARDED_BY(jobs_mutex_) = false;
    std::uint64_t asked_ TG_GUARDED_BY(jobs_mutex_) = 0;
    std::uint64_t answered_ TG_GUARDED_BY(jobs_mutex_) = 0;
    Result<void> answer_ TG_GUARDED_BY(jobs_mutex_);
    bool degraded_ TG_GUARDED_BY(jobs_mutex_) = false;
    std::string reason_ TG_GUARDED_BY(jobs_mutex_);
    std::uint64_t saves_ TG_GUARDED_BY(jobs_mutex_) = 0;
    std::uint64_t save_failures_ TG_GUARDED_BY(jobs_mutex_) = 0;

    std::thread keeper_;  // Last: it uses the members above.
};

}  // namespace tidegate::audit
