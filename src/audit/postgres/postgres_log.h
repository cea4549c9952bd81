// PostgresLog: the log with PostgreSQL as its home: group commit of blocks, one transaction each, on one connection.
//
// Position    A form of audit/log_store.h, beside SegmentLog; docs/postgres.md. The same records give the same tree in both.
// Guarantee   An acknowledged record is committed with synchronous_commit on. Leaf indices are
//             given in the order of the log, without a gap. A group lies in one block, whole or not at all. A block whose COMMIT was not
//             answered is looked for after reconnecting and never written again.
// Algorithm   The appending thread encodes and hashes. The writer takes all that waits (up to batch_bytes_max) as the next
//             block: while one commits the next one gathers. The keeper makes B-trees for closed months and drops old ones.
// Memory      queue_bytes_max of records wait at most, and about four times the block that is being written.
// Threads     append_group() from any thread: no wait but for a short lock. `placed` and on_durable run on the writer's thread, or on the
//             caller's when refused at once.
// When full   kUnavailable at once.
// When it fails  What waits gets kUnavailable, and so do appends until the server is there again: it is tried each
//             probe_interval. A server that goes while nobody appends is missed within idle_check. A block in doubt keeps its callers for resolve_patience; then they are told that it is not certain.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "audit/log_store.h"
#include "audit/postgres/exploded.h"
#include "audit/postgres/reader.h"
#include "base/random.h"

namespace tidegate::audit::postgres {

struct PostgresStoreOptions {
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
    Duration idle_check = std::chrono::seconds(5);
    std::function<void(const DurableBatch&)> on_durable;
};

class PostgresLog final : public LogStore {
  public:
    /// Errors of BlockWriter::open(). `clock` and `random` outlive the log.
    static Result<std::unique_ptr<PostgresLog>> open(PostgresStoreOptions options, const Clock& clock, Random& random);
    ~PostgresLog() override;

    void append_group(std::span<const Decision> decisions, Placed placed) override;
    void flush() override;
    void close() override;
    const PostgresReader& reader() const noexcept override { return reader_; }
    MerkleStack tree() const override;
    const segments::LogId& log_id() const noexcept override { return reader_.log_id(); }
    LogHealth log_health() const override;
    /// The head first, in a moment; then the rows and blocks, beside the writer. What a failure leaves of those is removed later.
    Result<void> remove_before(std::uint64_t leaf) override;
    /// How often old months have been looked through; the first time begins with open().
    std::uint64_t keep_rounds() const noexcept { return keep_rounds_.load(std::memory_order_acquire); }

  private:
    struct Group {
        std::uint64_t records = 0;
        Placed placed;
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

    PostgresLog(PostgresStoreOptions options, const Clock& clock, Random& random);
    Result<void> enqueue(Bytes payload, std::span<const Sha256> leaves, Placed& placed);

    // The writer thread's.
    void write_loop();
    bool next(std::optional<Batch>& batch);
    void write(Batch batch);
    void finish(Batch batch);
    std::uint64_t publish(const Batch& batch);
    void look_after_link();
    void probe();
    void settle_doubt();
    void degrade(const Error& error);
    void fail_waiting(const Error& error);
    void tell(Batch& batch, const Error& error);
    void count_finished(const Batch& batch);

    void keep_loop();
    Result<void> keep_once();
    Result<std::unique_ptr<store::PostgresLink>> keeper_link();

    const PostgresStoreOptions options_;
    const Clock& clock_;
    PostgresReader reader_;
    BlockWriter writer_;
    Exploder exploder_;
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
    std::atomic<std::uint64_t> keep_rounds_{0};
    std::atomic<bool> stopping_{false};  // The same, for the keeper's statements.

    std::thread writer_thread_;
    std::thread keeper_thread_;
};

}  // namespace tidegate::audit::postgres
