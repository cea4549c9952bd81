// SegmentLog: the append-only, Merkle-hashed, indexed home of Decisions: group commit into pre-written segments.
//
// Position    Below audit's DecisionLog and the views; docs/audit-format.md describes its files.
// Guarantee   `done` runs once for each append, with the leaf index only after the records are durable, in the hash tree, and
//             found by the reader; with an error when that is not certain. Indices are given in the order of the log, without a gap,
//             and never again to other records that were acknowledged. A group lies together, whole or not at all.
// Algorithm   The appending thread encodes, hashes the leaf and copies into the filling batch. The writer closes a batch when it
//             is full or batch_interval after the one before it, and writes it with O_DIRECT | O_DSYNC. The finisher folds its
//             leaves into the tree, notes its keys, calls back. The keeper (audit/segments/keeper.h) makes segments, seals them.
// Memory      queue_bytes_max of records wait at most (twice that in buffers when they are large), and the keys of the unsealed segments:
//             32 bytes a record.
// Threads     append() from any thread: no disk, no wait but for a short lock, no allocation in steady state. `done` and
//             on_durable run on the finisher's thread, or on the caller's when refused at once; they must be short and must not throw.
// When full   kUnavailable at once.
// When it fails  A write or sync that fails is fatal for that segment file: what waits gets kUnavailable, the log is degraded and
//             refuses, and tries to begin another segment each probe_interval. Nothing is dropped in silence.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "audit/log_store.h"
#include "audit/segments/batch.h"
#include "audit/segments/keeper.h"
#include "audit/segments/log_file.h"
#include "audit/segments/log_reader.h"

namespace tidegate::audit::segments {

using audit::DurableBatch;

struct SegmentLogOptions {
    std::uint64_t segment_bytes = 64ULL * 1024 * 1024;  // At least 64 KiB; a multiple of 4,096.
    std::size_t batch_bytes_max = 1024 * 1024;          // From 1 MiB on the fixed cost of a write is small (measured).
    // A batch begins at least so long after the one before: under load records gather, alone nobody waits.
    Duration batch_interval = std::chrono::milliseconds(2);
    std::size_t queue_records_max = 500'000;
    std::size_t queue_bytes_max = 64ULL * 1024 * 1024;
    std::size_t spares_ahead = 2;
    Duration probe_interval = std::chrono::seconds(1);
    // Indexes that keep a descriptor open; look-ups in others open the file (2 us more).
    std::size_t index_handles_max = 256;
    std::function<void(const DurableBatch&)> on_durable;
};

/// Totals since the start.
struct SegmentLogHealth {
    bool degraded = false;
    std::string reason;  // Of the last failure; empty when none ever was.
    UnixMillis degraded_since = 0;
    std::uint64_t appended = 0;          // Records durable and acknowledged.
    std::uint64_t failed = 0;            // Records whose write failed; their callers were told.
    std::uint64_t refused_full = 0;      // Records refused because the queue was full.
    std::uint64_t refused_degraded = 0;  // Records refused because the disk does not take any.
    std::uint64_t refused_invalid = 0;   // Records that check() refused, or groups that are too large.
    std::uint64_t batches = 0;
    std::uint64_t bytes_written = 0;  // With headers and padding.
    std::uint64_t write_failures = 0;
    std::uint64_t queue_records = 0;  // Waiting now.
    std::uint64_t queue_bytes = 0;
    std::int64_t write_us_last = 0;
    std::int64_t write_us_max = 0;
    KeeperHealth keeper;
};

/// Records that are encoded already, as another log holds them. Whoever makes one vouches that it is what the log itself would have
/// made of the records: their length prefixes, offsets, keys and leaf hashes.
struct EncodedGroup {
    Bytes payload;
    std::span<const std::uint32_t> offsets;  // Of the length prefixes in the payload.
    std::span<const RecordKeys> keys;        // By keys_of() with the log's key_seed().
    std::span<const Sha256> leaves;
    std::optional<SourceMark> source;
};

class SegmentLog final : public LogStore {
  public:
    /// Takes the folder, recovers, starts. `clock` outlives the log. kDataLoss: acknowledged records are missing or damaged;
    /// kConflict: another writer has the folder; kInvalidArgument: options that do not fit together.
    static Result<std::unique_ptr<SegmentLog>> open(std::unique_ptr<LogFolder> folder, SegmentLogOptions options,
                                                    const Clock& clock, Random& random);
    ~SegmentLog() override;

    void append(const Decision& decision, Done done) { append_group({&decision, 1}, std::move(done)); }
    /// kTooLarge: over 16 MiB or a segment.
    void append_group(std::span<const Decision> decisions, Done done) override;
    /// The same for records from elsewhere; they keep their `recorded`. Their source is in the header of the batch that holds them.
    void append_encoded(const EncodedGroup& group, Done done);
    std::uint64_t key_seed() const noexcept { return seed_; }

    void flush() override;
    void close() override;

    const LogReader& reader() const noexcept override { return reader_; }
    MerkleStack tree() const override;
    const LogId& log_id() const noexcept override { return log_id_; }
    SegmentLogHealth health() const;
    LogHealth log_health() const override;
    const RecoveryReport& recovery() const noexcept { return report_; }
    /// drop_before(), and waits for it.
    Result<void> remove_before(std::uint64_t leaf) override;
    /// See Keeper::drop_before().
    void drop_before(std::uint64_t leaf) { keeper_->drop_before(leaf); }
    /// Waits until seals, removals and spares are done. For tests and tools.
    void settle();

  private:
    // What goes from the writer to the finisher, in the order of the log.
    struct Item {
        std::shared_ptr<const SegmentEntry> begun;  // Set: a segment begins.
        std::unique_ptr<Batch> batch;               // Neither: the segment ends, `seal` says which.
        std::shared_ptr<LiveKeys> live;
        std::uint64_t first_leaf = 0;
        std::uint64_t offset = 0;
        std::optional<Error> error;
        SealJob seal;
    };

    SegmentLog(std::unique_ptr<LogFolder> folder, SegmentLogOptions options, const Clock& clock, Recovered recovered);
    Result<void> start(std::optional<OpenSegment> open, std::vector<SealJob> unsealed);

    Result<void> enqueue(const EncodedGroup& group, Done& done, bool& wake) TG_EXCLUDES(mutex_);
    bool joins_filling(const EncodedGroup& group) const TG_REQUIRES(mutex_);
    void hand_over(Result<void> accepted, const EncodedGroup& group, Done done);
    std::unique_ptr<Batch> make_batch(std::size_t payload) TG_REQUIRES(mutex_);

    void write_loop();
    bool take_batch(std::unique_ptr<Batch>& batch);
    void gather() TG_REQUIRES(mutex_);
    Result<void> write(Batch& batch);
    Result<void> write_to(OpenSegment& segment, Batch& batch);
    Result<void> begin_segment();
    MerkleStack tree_so_far() TG_EXCLUDES(mutex_);
    Result<void> try_file(LogFile& file, std::uint64_t file_bytes);
    void end_segment(bool abandoned);
    void fail_all(std::unique_ptr<Batch> batch, const Error& error);
    void probe();
    void hand_on(Item item);

    void finish_loop();
    void finish(Item& item);
    void fold(const Item& item);
    void recycle(std::unique_ptr<Batch> batch);

    const SegmentLogOptions options_;
    const Clock& clock_;
    const std::unique_ptr<LogFolder> folder_;
    const LogId log_id_;
    const std::uint64_t seed_;
    const RecoveryReport report_;
    Catalog catalog_;
    LogReader reader_;
    std::unique_ptr<Keeper> keeper_;

    // The writer thread's.
    std::optional<OpenSegment> segment_;
    std::unique_ptr<LogFile> file_;
    std::optional<Keeper::Ready> ready_;  // Taken, and its header not yet written.
    std::uint64_t next_leaf_;
    SteadyTime batch_begin_{};
    std::unique_ptr<Batch::AlignedBlock> block_ = std::make_unique<Batch::AlignedBlock>();

    mutable Mutex mutex_;
    Condition wake_;
    Condition progressed_;
    std::unique_ptr<Batch> filling_ TG_GUARDED_BY(mutex_);
    std::deque<std::unique_ptr<Batch>> closed_ TG_GUARDED_BY(mutex_);
    std::vector<std::unique_ptr<Batch>> free_ TG_GUARDED_BY(mutex_);
    SegmentLogHealth health_ TG_GUARDED_BY(mutex_);
    MerkleStack tree_ TG_GUARDED_BY(mutex_);
    std::uint64_t accepted_ TG_GUARDED_BY(mutex_) = 0;  // Groups.
    std::uint64_t finished_ TG_GUARDED_BY(mutex_) = 0;
    std::size_t company_ TG_GUARDED_BY(mutex_) = 0;         // Groups of the last batch.
    std::size_t wake_at_groups_ TG_GUARDED_BY(mutex_) = 0;  // Not 0: the writer gathers until so many are there.
    bool asleep_ TG_GUARDED_BY(mutex_) = false;
    bool closing_ TG_GUARDED_BY(mutex_) = false;

    Mutex items_mutex_;
    Condition items_wake_;
    std::deque<Item> items_ TG_GUARDED_BY(items_mutex_);
    bool items_end_ TG_GUARDED_BY(items_mutex_) = false;
    MerkleStack folding_;  // The finisher's own copy of tree_.

    std::thread writer_;
    std::thread finisher_;
};

}  // namespace tidegate::audit::segments
