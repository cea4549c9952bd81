// Cube: exact sums of every decision by minute, hour, day and kind: the follower that the statistics read.
//
// Guarantee   A read counts every record that follow() has taken, once, at one instant. A crash loses nothing: the file says up to
//             where it counts, the log hands out the rest again. A record lies in the minute of its own time (its id's).
// Algorithm   follow() adds to a pending cell of (minute, kind). Each save_interval, or when there are many, the keeper folds the
//             pending cells into the levels in memory and writes what changed with the position in one transaction
//             (views/cube_store.h). A period that is no longer in memory is the file's cell plus what is not yet saved.
// Memory      The budgets of the levels; pending_cells_max cells of 0.2 to 2 KiB; unsaved_bytes_max; one total for each kind.
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
    std::size_t pending_cells_wake = 8'192;
    std::size_t pending_cells_max = 32'768;
    Duration wait_max = std::chrono::seconds(10);
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
    std::size_t unsaved_bytes = 0;
    std::size_t level_bytes = 0;
    std::uint32_t kinds = 0;
    bool rebuilt = false;  // open() found another log's sums, or more than the log has, and began anew.
};

class Cube final : public Follower {
  public:
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

    /// Hands `visitor` cells that make up exactly the records of the minutes [from, to). `by_period`: no cell reaches over midnight
    /// UTC; otherwise, when the window holds everything, the totals alone are visited.
    Result<void> visit(Minute from, Minute to, bool by_period, CellVisitor& visitor) const;
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

    Cube(CubeOptions options, Kinds& kinds, std::unique_ptr<CubeStore> store);
    Result<void> start();
    Result<void> take(std::span<const segments::RecordView> records) TG_EXCLUDES(pending_mutex_);
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

    bool resident(const std::vector<Span>& spans) const TG_REQUIRES(levels_mutex_);
    void visit_memory(const std::vector<Span>& spans, CellVisitor& visitor) const TG_REQUIRES(levels_mutex_);
    void visit_pending(Minute from, Minute to, CellVisitor& visitor) const TG_EXCLUDES(pending_mutex_);
    Result<bool> visit_file(const std::vector<Span>& spans, Minute from, Minute to, CellVisitor& visitor) const;

    const CubeOptions options_;
    Kinds& kinds_;
    const std::unique_ptr<CubeStore> store_;
    std::shared_ptr<ReaderPool> readers_;
    bool rebuilt_ = false;

    mutable Mutex pending_mutex_;  // After levels_mutex_. follow() holds it for 1,024 records at most.
    Pending pending_ TG_GUARDED_BY(pending_mutex_);
    std::vector<Recent> recent_ TG_GUARDED_BY(pending_mutex_) = std::vector<Recent>(kRecent);
    Condition room_;                          // With pending_mutex_: the keeper has folded.
    std::atomic<std::uint64_t> position_{0};  // Changed under pending_mutex_.

    // Changed by the keeper under levels_mutex_; it reads them without, all others with it.
    std::atomic<bool> keeper_waits_{false};  // For levels_mutex_: who reads lets it go first.
    mutable Mutex levels_mutex_;
    Levels levels_;
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
