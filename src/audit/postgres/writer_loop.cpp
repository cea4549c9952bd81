// The writer thread of PostgresLog: the next block, its commit, and what is done when that goes wrong.
#include <algorithm>
#include <utility>

#include "audit/postgres/postgres_log.h"

namespace tidegate::audit::postgres {

void PostgresLog::write_loop() {
    std::optional<Batch> batch;
    while (next(batch)) {
        if (batch) {
            write(*std::exchange(batch, std::nullopt));
        } else {
            look_after_link();
        }
    }
    if (!doubt_) return;
    probe();
    if (doubt_ && doubt_->until) {
        tell(doubt_->batch, {ErrorCode::kUnavailable, "the log closes and does not know whether the record is in it"});
    }
}

// The next batch, or none when it is time to look whether the server is there; false at the end.
bool PostgresLog::next(std::optional<Batch>& batch) {
    const Lock lock(mutex_);
    if (!closing_ && !health_.degraded && waiting_.empty()) {
        if (!wake_.wait_for(mutex_, options_.idle_check)) return true;
    }
    if (health_.degraded) {
        if (!closing_) wake_.wait_for(mutex_, options_.probe_interval);
        return !closing_;
    }
    if (waiting_.empty()) return !closing_;
    batch = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
}

void PostgresLog::write(Batch batch) {
    const SteadyTime begin = clock_.now();
    const Block block = exploder_.explode(batch.payload, batch.leaves, writer_.tree(), reader_.seed());
    Error error;
    const Commit commit = writer_.commit(block, error);
    if (commit == Commit::kDone) {
        {
            const Lock lock(mutex_);
            health_.commit_us_last =
                std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - begin).count();
            health_.commit_us_max = std::max(health_.commit_us_max, health_.commit_us_last);
        }
        return finish(std::move(batch));
    }
    degrade(error);
    if (commit == Commit::kUnknown) {
        doubt_ = Doubt{std::move(batch), block.after, clock_.now() + options_.resolve_patience};
    } else {
        tell(batch, error);
    }
    fail_waiting(error);
    // At once: a server that has closed one connection may well take another.
    probe();
}

// Nobody has appended for a while, or nothing could be: /health is to say when the server has gone.
void PostgresLog::look_after_link() {
    bool degraded = false;
    {
        const Lock lock(mutex_);
        degraded = health_.degraded;
        if (!degraded && !waiting_.empty()) return;
    }
    if (!degraded) {
        const auto there = writer_.ping();
        if (there) return;
        degrade(there.error());
        fail_waiting(there.error());
    }
    probe();
}

// The block is durable: the tree and the reader know it, then the followers. Its first leaf.
std::uint64_t PostgresLog::publish(const Batch& batch) {
    std::uint64_t first = 0;
    {
        const Lock lock(mutex_);
        first = tree_.size();
        tree_ = writer_.tree();
    }
    reader_.set_end(writer_.tree().size());
    if (options_.on_durable) options_.on_durable({first, batch.leaves, batch.payload, writer_.tree()});
    return first;
}

// Then whoever waits.
void PostgresLog::finish(Batch batch) {
    std::uint64_t leaf = publish(batch);
    {
        const Lock lock(mutex_);
        health_.appended += batch.leaves.size();
        ++health_.commits;
    }
    for (Group& group : batch.groups) {
        if (group.placed) group.placed(leaf);
        leaf += group.records;
    }
    count_finished(batch);
}

void PostgresLog::count_finished(const Batch& batch) {
    const Lock lock(mutex_);
    health_.queue_records -= batch.leaves.size();
    health_.queue_bytes -= batch.payload.size();
    finished_ += batch.groups.size();
    progressed_.notify_all();
}

void PostgresLog::tell(Batch& batch, const Error& error) {
    {
        const Lock lock(mutex_);
        health_.failed += batch.leaves.size();
    }
    for (Group& group : batch.groups) {
        if (group.placed) group.placed(fail(ErrorCode::kUnavailable, error.message));
    }
    count_finished(batch);
    // Told once; the records themselves may still turn out to be there.
    batch.groups.clear();
}

void PostgresLog::degrade(const Error& error) {
    const Lock lock(mutex_);
    if (!health_.degraded) {
        ++health_.commit_failures;
        health_.degraded_since = clock_.unix_ms();
    }
    health_.degraded = true;
    health_.reason = error.message;
}

void PostgresLog::fail_waiting(const Error& error) {
    std::deque<Batch> failed;
    {
        const Lock lock(mutex_);
        failed.swap(waiting_);
    }
    for (Batch& batch : failed) tell(batch, error);
}

void PostgresLog::probe() {
    if (auto again = writer_.reconnect(); !again) {
        degrade(again.error());
        if (doubt_ && doubt_->until && clock_.now() >= *doubt_->until) {
            doubt_->until.reset();
            tell(doubt_->batch, {ErrorCode::kUnavailable,
                                 "it is not certain whether the record is in the log: " + again.error().message});
        }
        return;
    }
    settle_doubt();
    const Lock lock(mutex_);
    health_.degraded = false;
    health_.degraded_since = 0;
}

// The earlier session is gone and its lock is ours: what the log holds now is what it held at its end.
void PostgresLog::settle_doubt() {
    if (!doubt_) return;
    Doubt doubt = *std::exchange(doubt_, std::nullopt);
    const bool told = !doubt.until;
    if (writer_.tree() != doubt.after) {
        if (!told) tell(doubt.batch, {ErrorCode::kUnavailable, "the database was lost before it had the record"});
        return;
    }
    if (!told) return finish(std::move(doubt.batch));
    // Its callers have had their error, the records are there all the same: the views must have them.
    publish(doubt.batch);
}

}  // namespace tidegate::audit::postgres
