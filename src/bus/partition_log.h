// PartitionLog: what one worker keeps of one partition of the bus: a segment log whose batches say how far the partition has been read.
//
// Position    Under the Worker; knows nothing of Kafka but offsets, so it is tested without one.
// Guarantee   Each record of each block once, in the order of the partition, whatever is killed between: next_offset() comes from the batch
//             headers, so it is durable together with the records, and a block that its sender sends again is told by its label and left
//             out. A message that is no block is set aside as a file `dead/OFFSET.message` and leaves an event in the log; it is never skipped silently.
// Algorithm   Label against mark: a later round is new, the same round by the block's first leaf. A round that overlaps others (its sender has
//             lost its place) is looked up record by record, by id, in the log.
// Memory      in_flight_bytes_max of records that are not durable yet, and those of the segment log.
// Threads     take() and close() on one thread; everything const from any.
// When it fails  A write that fails: take() gives the error from then on; open it again, it goes on from what is durable.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "audit/segments/segment_log.h"
#include "base/mutex.h"
#include "base/random.h"
#include "bus/packed_block.h"

namespace tidegate::bus {

/// How far the blocks of one sender have been taken.
struct OriginMark {
    std::uint64_t round_first = 0;
    std::uint64_t round_end = 0;
    std::uint64_t block_first = 0;
    std::uint64_t covered = 0;  // The largest end of rounds before that one.
    friend bool operator==(const OriginMark&, const OriginMark&) = default;
};
enum class Seen : std::uint8_t { kNew, kTaken, kUnclear };
Seen judge(const std::optional<OriginMark>& mark, const BlockLabel& label) noexcept;
/// The mark once that block is taken.
OriginMark advance(const std::optional<OriginMark>& mark, const BlockLabel& label) noexcept;

struct PartitionOptions {
    std::string folder;
    std::string topic;
    std::uint32_t partition = 0;
    audit::segments::SegmentLogOptions log;
    std::size_t in_flight_bytes_max = 16U * 1024 * 1024;
    std::uint64_t save_marks_records =
        1'000'000;  // The file `sources` is written each so many: what an open has to walk over.
};

/// Totals since the open.
struct PartitionHealth {
    std::uint64_t blocks = 0;
    std::uint64_t records = 0;  // Durable.
    std::uint64_t duplicate_blocks = 0;
    std::uint64_t duplicate_records = 0;  // In blocks that were looked through record by record.
    std::uint64_t dead_letters = 0;
    std::uint64_t lost_messages = 0;           // The broker had let them go before they were read.
    std::optional<std::uint64_t> next_offset;  // Durable; nothing: no message was ever taken.
    std::uint64_t size = 0;                    // Records of the log.
    std::string failure;                       // Empty: none.
};

class PartitionLog {
  public:
    /// kConflict: another worker has the folder, or it holds another topic or partition. kDataLoss: acknowledged records are
    /// missing. `clock` and `random` outlive it.
    static Result<std::unique_ptr<PartitionLog>> open(PartitionOptions options, const Clock& clock, Random& random);
    ~PartitionLog();
    PartitionLog(const PartitionLog&) = delete;
    PartitionLog& operator=(const PartitionLog&) = delete;

    /// Where to read on. Nothing: from the beginning of the partition.
    std::optional<std::uint64_t> next_offset() const;
    /// The offset of the message that take() wants next. Nothing: the first one decides.
    std::optional<std::uint64_t> expected() const;
    /// Of a partition that was never read: its first message.
    void begin_at(std::uint64_t offset);
    /// Takes the message at that offset; waits while too much is on its way to the disk. One that was taken is left out. kDataLoss: it is not the one
    /// that is expected, and the ones between would be lost. Other errors: the log's.
    Result<void> take(std::uint64_t offset, Bytes message);
    /// The messages of [from, to) are gone from the broker: an event says so, and reading goes on at `to`.
    Result<void> note_lost(std::uint64_t from, std::uint64_t to);
    /// Waits until all that was taken is durable. Errors: some of it never will be.
    Result<void> flush();
    /// Flushes and saves the marks. Once; the destructor does it too, and lets the folder go.
    void close();

    PartitionHealth health() const;
    /// Of the durable records.
    audit::segments::MerkleStack tree() const { return log_->tree(); }
    const audit::segments::SegmentLog& log() const noexcept { return *log_; }
    std::uint32_t partition() const noexcept { return options_.partition; }
    const std::string& folder() const noexcept { return options_.folder; }

  private:
    PartitionLog(PartitionOptions options, const Clock& clock, Random& random);
    Result<void> recover();
    Result<void> take_block(std::uint64_t offset);
    Result<void> keep_unknown(Block& block);
    Result<void> set_aside(std::uint64_t offset, Bytes message, const Error& why);
    Result<void> append_event(std::string_view operation, std::string output, std::uint64_t next_offset);
    Result<void> append(const audit::segments::EncodedGroup& group);
    Result<void> failure() const;
    Result<void> save_marks();
    void move_on(std::uint64_t next_offset);

    const PartitionOptions options_;
    const Clock& clock_;
    Random& random_;
    bool closed_ = true;  // Until what is in the folder has been read: nothing is written over what is not understood.

    // The taking thread's.
    Block block_;
    std::vector<audit::segments::RecordKeys> keys_;
    std::map<LogId, OriginMark> marks_;
    LogId last_origin_{};  // Whose mark the next event's header repeats.
    std::uint64_t records_since_save_ = 0;

    mutable Mutex mutex_;
    Condition progressed_;
    std::size_t in_flight_bytes_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t in_flight_ TG_GUARDED_BY(mutex_) = 0;
    std::optional<std::uint64_t> taken_ TG_GUARDED_BY(mutex_);  // The offset after the last message taken.
    std::optional<Error> error_ TG_GUARDED_BY(mutex_);
    PartitionHealth health_ TG_GUARDED_BY(mutex_);

    std::unique_ptr<audit::segments::SegmentLog> log_;  // Last: its threads use the members above.
};

}  // namespace tidegate::bus
