// PostgresDecisionLog: the log with PostgreSQL as its home: group commit of blocks, one transaction each, on one connection.
//
// Position    Beside SegmentDecisionLog, behind DecisionLog; docs/postgres.md. The same records give the same tree in both.
// Guarantee   An acknowledged record is committed with synchronous_commit on, and in every follower that is not behind. Leaf indices are
//             given in the order of the log, without a gap. A group lies in one block, whole or not at all. A block whose COMMIT was not
//             answered is looked for after reconnecting and never written again.
// Algorithm   The appending thread encodes and hashes. The writer takes all that waits (up to batch_bytes_max) as the next
//             block: while one commits the next one gathers. The keeper makes B-trees for closed months and drops old ones.
// Memory      queue_bytes_max of records wait at most, and about four times the block that is being written.
// Threads     append() from any thread: no wait but for a short lock. `done` runs on the writer's thread, or on the
//             caller's when refused at once.
// When full   kUnavailable at once.
// When it fails  What waits gets kUnavailable, and so do appends until the server is there again: it is tried each
//             probe_interval. A block in doubt keeps its callers for resolve_patience; then they are told that it is not certain.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "audit/follower_feed.h"
#include "audit/postgres/exploded.h"
#include "audit/postgres/reader.h"
#include "base/random.h"

namespace tidegate::audit::postgres {

struct PostgresLogOptions {
    std::string url;
    std::string schema = "tidegate";
    std::string name = "tidegate";  // Who writes; shown to whoever finds the log taken.
    int recent_days = 30;           // Exploded rows are kept so long, to the end of a month.
    std::size_t batch_bytes_max = 1024 * 1024;
    std::size_t queue_records_max = 500'000;
    std::size_t queue_bytes_max = 64ULL * 1024 * 1024;
    Duration patience = std::chrono::seconds(10);      // Of a statement.
    Duration lock_patience = std::chrono::seconds(5);  // A writer that has just died is let go of.
    Duration probe_interval = std::chrono::seconds(1);
    Duration resolve_patience = std::chrono::seconds(3);
    Duration keep_interval = std::chrono::minutes(10);
    Duration follower_retry = std::chrono::seconds(1);
};

class PostgresDecisionLog final : public DecisionLog {
  public:
    /// Errors of BlockWriter::open(). `clock` and `random` outlive the log.
    static Result<std::unique_ptr<PostgresDecisionLog>> open(PostgresLogOptions options, const Clock& clock,
                                                             Random& random);
    ~PostgresDecisionLog() override;

    /// As SegmentDecisionLog::follow(); before the first append.
    Result<void> follow(std::vector<Follower*> followers);

    void append(Decision decision, Done done) override;
    void append_batch(std::vector<Decision> decisions, Done done) override;
    LogHealth health() const override;
    void flush() override;
    void close() override;

    const PostgresReader& reader() const noexcept { return reader_; }
    /// The tree over all durable records.
    MerkleStack tree() const;

  private:
    struct Group {
        std::uint64_t records = 0;
        Done done;
    };
    struct Batch {
        std::vector<std::uint8_t> payload;
        std::vector<Sha256> leaves;
        std::vector<Group> groups;
    };
    // A block in doubt, and until when its callers wait; nothing when they have been told.
    struct Doubt {
        Batch batch;
        MerkleStack after;
        std::optional<SteadyTime> until;
    };

    PostgresDecisionLog(PostgresLogOptions options, const Clock& clock, Random& random);
    void append_group(std::span<const Decision> decisions, Done done);
    Result<void> enqueue(Bytes payload, std::span<const Sha256> leaves, Done& done);

    // The writer thread's.
    void write_loop();
    bool next(std::optional<Batch>& batch);
    void write(Batch batch);
    void finish(Batch batch);
    void probe();
    void settle_doubt();
    void degrade(const Error& error);
    void fail_waiting(const Error& error);
    void tell(Batch& batch, const Error& error);
    void count_finished(const Batch& batch);

    void keep_loop();
    Result<void> keep_once();

    const PostgresLogOptions options_;
    const Clock& clock_;
    const PostgresReader reader_;
    BlockWriter writer_;
    Exploder exploder_;
    FollowerFeed feed_;
    std::optional<Doubt> doubt_;

    mutable Mutex mutex_;
    Condition wake_;
    Condition progressed_;
    Condition keeper_wake_;
    std::deque<Batch> waiting_ TG_GUARDED_BY(mutex_);
    LogHealth health_ TG_GUARDED_BY(mutex_);
    MerkleStack tree_ TG_GUARDED_BY(mutex_);
    std::uint64_t accepted_ TG_GUARDED_BY(mutex_) = 0;  // Groups.
    std::uint64_t finished_ TG_GUARDED_BY(mutex_) = 0;
    bool closing_ TG_GUARDED_BY(mutex_) = false;
    std::atomic<bool> stopping_{false};  // The same, for the keeper's statements.

    std::thread writer_thread_;
    std::thread keeper_thread_;
};

}  // namespace tidegate::audit::postgres
