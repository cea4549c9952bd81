// Columns: of every record of the log its kind, its decision's time and a hash of the actor, so that a filter finds its
// matches without reading records.
//
// Position    A Follower of the log; LogHistory looks through it.
// Guarantee   Derived: a file that is lost, rotten, cut or of another log is made again by a scan of the log when it is needed.
//             What is acknowledged is seen.
// Algorithm   Chunks of 2^18 records. The one that fills is in memory; a thread of its own writes full ones, so that no append
//             waits for it. Of each chunk on disk only a summary stays in memory: records of each kind, first and last time.
// Memory      4 MiB for each chunk that fills, waits to be written (at most kUnsavedMax) or was looked at last (loaded_max).
// Threads     follow() on the log's thread; the rest on any thread that may wait for the disk.
// When it fails  A chunk that cannot be written stays in memory and is tried again each retry_interval; over kUnsavedMax the
//             oldest is let go, and made again from the log when somebody asks.
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <thread>

#include "audit/follower.h"
#include "audit/log_reader.h"
#include "audit/segments/log_file.h"
#include "audit/views/columns_chunk.h"
#include "base/mutex.h"

namespace tidegate::audit {

struct ColumnsOptions {
    std::size_t loaded_max = 8;
    Duration retry_interval = std::chrono::seconds(1);
};

/// Totals since the start.
struct ColumnsHealth {
    std::uint64_t chunks = 0;
    std::uint64_t unsaved = 0;
    std::uint64_t rebuilt = 0;  // Made again from the log.
    std::uint64_t loads = 0;    // Read from disk.
    std::uint64_t failures = 0;
    std::string reason;  // Of the last failure; empty when none ever was.
};

class Columns final : public Follower {
  public:
    static constexpr std::size_t kUnsavedMax = 16;

    /// Opens what survived. `folder` is its own (`columns`); reader and kinds outlive it. An error: the folder cannot be made or
    /// listed, or another process has it.
    static Result<std::unique_ptr<Columns>> open(std::unique_ptr<segments::LogFolder> folder, ColumnsOptions options,
                                                 const LogReader& reader, const segments::LogId& log, Kinds& kinds);
    ~Columns() override;

    std::string_view name() const noexcept override { return "columns"; }
    std::uint64_t position() const noexcept override { return position_.load(std::memory_order_acquire); }
    Result<void> follow(const DurableRecords& records) override;

    /// A chunk as the list knows it. Immutable.
    struct Chunk {
        std::uint64_t number = 0;
        std::shared_ptr<const ChunkSummary> summary;  // Null: still filling, or not known before it is loaded.
        std::shared_ptr<const ColumnChunk> held;      // Set while it fills or waits to be written.
        std::uint64_t first_leaf() const noexcept { return number * kChunkLeaves; }
    };
    /// Oldest first; numbers ascend, and are missing where retention has been.
    using List = std::vector<Chunk>;
    std::shared_ptr<const List> list() const;
    /// The columns of a chunk: from memory, from its file, else from the log.
    Result<std::shared_ptr<const ColumnChunk>> load(const Chunk& chunk) const;
    /// The kind of one record. kNotFound: not in the log.
    Result<std::uint32_t> kind_of(std::uint64_t leaf) const;

    Kinds& kinds() const noexcept { return kinds_; }
    ColumnsHealth health() const;
    /// Waits until what is full is written, or its writing has failed. For tests and tools.
    void settle();

  private:
    struct Unsaved {
        std::uint64_t number = 0;
        std::shared_ptr<const ColumnChunk> chunk;
        std::shared_ptr<const ChunkSummary> summary;
    };
    Columns(std::unique_ptr<segments::LogFolder> folder, ColumnsOptions options, const LogReader& reader,
            const segments::LogId& log, Kinds& kinds);
    Result<void> read_folder();
    std::optional<ChunkSummary> read_summary(std::uint64_t number) const;
    bool is_of_this_log(std::uint64_t number, const ChunkSummary& summary) const;

    void begin_chunk(std::uint64_t number);
    void end_chunk();
    void put(Chunk chunk) const TG_REQUIRES(mutex_);

    std::shared_ptr<const ColumnChunk> find_loaded(std::uint64_t number) const;
    void keep_loaded(std::uint64_t number, std::shared_ptr<const ColumnChunk> chunk) const;
    Result<std::shared_ptr<ColumnChunk>> rebuild(std::uint64_t number) const;
    void queue_save(Unsaved unsaved) const TG_REQUIRES(mutex_);

    void run();
    bool take_unsaved(Unsaved& next) TG_EXCLUDES(mutex_);
    void note_saved(const Unsaved& done, const Result<void>& saved) TG_EXCLUDES(mutex_);
    void drop_removed();

    const std::unique_ptr<segments::LogFolder> folder_;
    const ColumnsOptions options_;
    const LogReader& reader_;
    const segments::LogId log_;
    Kinds& kinds_;
    std::atomic<std::uint64_t> position_{0};

    // The following thread's.
    std::shared_ptr<ColumnChunk> open_;
    std::uint64_t open_number_ = 0;

    mutable Mutex mutex_;
    mutable Condition wake_;
    mutable Condition settled_;
    mutable std::shared_ptr<const List> list_ TG_GUARDED_BY(mutex_) = std::make_shared<List>();
    mutable std::deque<Unsaved> unsaved_ TG_GUARDED_BY(mutex_);
    mutable std::list<std::pair<std::uint64_t, std::shared_ptr<const ColumnChunk>>> loaded_ TG_GUARDED_BY(mutex_);
    mutable ColumnsHealth health_ TG_GUARDED_BY(mutex_);
    bool failed_ TG_GUARDED_BY(mutex_) = false;  // Nothing is written before the next retry.
    bool stopping_ TG_GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace tidegate::audit
