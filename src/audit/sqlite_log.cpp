#include "audit/sqlite_log.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <optional>
#include <thread>

#include "audit/batch_writer.h"
#include "audit/caretaker.h"
#include "base/mutex.h"
#include "store/file_lock.h"

namespace tidegate::audit {
namespace {

struct Item {
    BatchWriter::Group decisions;
    DecisionLog::Done done;
    std::size_t bytes = 0;
};

// What a waiting record holds, roughly: the limit is against running out of memory, not for accounting.
std::size_t bytes_of(const Decision& decision) {
    std::size_t bytes = sizeof(Decision) + decision.request_id.size() + decision.output.size() + decision.error.size();
    for (const auto& stage : decision.stages) bytes += sizeof stage + stage.name.size();
    for (const auto& tag : decision.tags) bytes += sizeof tag + tag.name.size() + tag.value.size();
    return bytes;
}

class SqliteDecisionLog final : public DecisionLog {
  public:
    SqliteDecisionLog(SqliteLogOptions options, const Clock& clock, store::FileLock file_lock,
                      std::unique_ptr<BatchWriter> writer)
        : options_(std::move(options)), clock_(clock), file_lock_(std::move(file_lock)), writer_(std::move(writer)) {}
    ~SqliteDecisionLog() override { close(); }

    // The second half of the construction: what can fail, and what uses *this from other threads.
    Result<void> start(bool checked) {
        {
            const Lock lock(mutex_);
            health_.integrity = checked ? Integrity::kSound : Integrity::kChecking;
        }
        TG_TRY(caretaker_, Caretaker::start(
                               options_, !checked, [this](const Result<void>& result) { integrity_known(result); },
                               [this](const Result<void>& result) { checkpoint_done(result); }));
        thread_ = std::thread([this] { run(); });
        return {};
    }

    void append(Decision decision, Done done) override {
        BatchWriter::Group group;
        group.push_back(std::move(decision));
        append_batch(std::move(group), std::move(done));
    }

    void append_batch(std::vector<Decision> decisions, Done done) override {
        Item item{.decisions = std::move(decisions), .done = std::move(done)};
        Result<void> accepted = examine(item);
        bool wake = false;
        if (accepted) accepted = enqueue(item, wake);
        if (!accepted) {
            item.done(std::move(accepted));
        } else if (wake) {
            wake_.notify_one();
        }
    }

    LogHealth health() const override {
        const Lock lock(mutex_);
        return health_;
    }

    void flush() override {
        const Lock lock(mutex_);
        const std::uint64_t wanted = accepted_;
        while (finished_ < wanted) progressed_.wait(mutex_);
    }

    void close() override {
        {
            const Lock lock(mutex_);
            closing_ = true;
        }
        wake_.notify_one();
        if (thread_.joinable()) thread_.join();
        caretaker_.reset();
        file_lock_.reset();
    }

  private:
    Result<void> examine(Item& item) {
        Result<void> outcome;
        if (item.decisions.empty()) outcome = fail(ErrorCode::kInvalidArgument, "decision: an empty batch");
        for (const Decision& decision : item.decisions) {
            if (outcome) outcome = check(decision);
            item.bytes += bytes_of(decision);
        }
        if (!outcome) {
            const Lock lock(mutex_);
            health_.refused_invalid += item.decisions.size();
        }
        return outcome;
    }

    // On success the item has been moved into the queue.
    Result<void> enqueue(Item& item, bool& wake) {
        const Lock lock(mutex_);
        if (closing_) return fail(ErrorCode::kUnavailable, "the decision log is closing");
        const std::uint64_t records = item.decisions.size();
        if (health_.queue_records + records > options_.queue_records_max ||
            health_.queue_bytes + item.bytes > options_.queue_bytes_max) {
            health_.refused_full += records;
            return fail(ErrorCode::kUnavailable, "the decision log has too many records waiting");
        }
        health_.queue_records += records;
        health_.queue_bytes += item.bytes;
        ++accepted_;
        queue_.push_back(std::move(item));
        wake = std::exchange(asleep_, false);
        return {};
    }

    void run() {
        std::vector<Item> batch;
        while (take(batch)) {
            if (batch.empty()) {
                probe();
                continue;
            }
            commit(batch);
            {
                const Lock lock(mutex_);
                finished_ += batch.size();
            }
            progressed_.notify_all();
            batch.clear();
            look_after_wal();
        }
        writer_.reset();
    }

    // Waits for the rest of commit_interval when that is worth it: when a wait brought nobody else, the caller is alone
    // and would be slowed down for nothing, so the next kSkipped commits do not wait unless company shows up.
    void gather() TG_REQUIRES(mutex_) {
        constexpr unsigned kSkipped = 256;  // The trial wait then shows above the 99.6th percentile only.
        if (queue_.size() > 1) skip_gathers_ = 0;
        if (skip_gathers_ > 0) {
            --skip_gathers_;
            return;
        }
        const Duration since_commit = clock_.now() - commit_begin_;
        if (closing_ || since_commit >= options_.commit_interval || queue_.size() >= options_.batch_records_max) return;
        wake_.wait_for(mutex_, options_.commit_interval - since_commit);
        if (queue_.size() == 1) skip_gathers_ = kSkipped;
    }

    // False: closing and nothing waits. True with nothing taken: the disk is to be tried.
    bool take(std::vector<Item>& batch) {
        const Lock lock(mutex_);
        while (queue_.empty() && !closing_) {
            asleep_ = true;
            if (!commit_failed_) {
                wake_.wait(mutex_);
            } else if (!wake_.wait_for(mutex_, options_.probe_interval) && queue_.empty() && !closing_) {
                return true;
            }
        }
        asleep_ = false;
        gather();
        commit_begin_ = clock_.now();
        std::size_t records = 0;
        while (!queue_.empty() &&
               (batch.empty() || records + queue_.front().decisions.size() <= options_.batch_records_max)) {
            Item& item = queue_.front();
            records += item.decisions.size();
            health_.queue_records -= item.decisions.size();
            health_.queue_bytes -= item.bytes;
            batch.push_back(std::move(item));
            queue_.pop_front();
        }
        return !batch.empty();
    }

    Result<void> has_room() const {
        std::error_code unknown;
        const auto space = std::filesystem::space(std::filesystem::absolute(options_.path).parent_path(), unknown);
        // A file system that does not tell is tried by the write alone.
        if (unknown || space.available >= options_.probe_free_bytes) return {};
        return fail(ErrorCode::kUnavailable, "the disk has no room: " + std::to_string(space.available) +
                                                 " bytes are left of the " + std::to_string(options_.probe_free_bytes) +
                                                 " that are wanted");
    }

    void probe() {
        Result<void> outcome = has_room();
        if (outcome) outcome = open_writer();
        if (outcome) outcome = writer_->probe();
        if (!outcome) writer_.reset();
        const Lock lock(mutex_);
        if (outcome) {
            commit_failed_ = false;
            health_.degraded = health_.integrity == Integrity::kDamaged;
        } else if (health_.integrity != Integrity::kDamaged) {
            health_.reason = outcome.error().message;
        }
    }

    // After the callbacks, so that nobody waits for it.
    void look_after_wal() {
        if (writer_ == nullptr || writer_->wal_pages() < options_.checkpoint_pages) return;
        if (writer_->wal_pages() < 4 * options_.checkpoint_pages) {
            caretaker_->checkpoint_soon();
        } else {
            checkpoint_done(writer_->checkpoint());
        }
    }

    void checkpoint_done(const Result<void>& result) {
        const Lock lock(mutex_);
        if (!result) ++health_.checkpoint_failures;
    }

    void integrity_known(const Result<void>& result) {
        const Lock lock(mutex_);
        if (result) {
            health_.integrity = Integrity::kSound;
        } else if (result.error().code == ErrorCode::kDataLoss) {
            health_.integrity = Integrity::kDamaged;
            health_.degraded = true;
            health_.degraded_since = clock_.unix_ms();
            health_.reason = result.error().message;
        } else {
            health_.integrity = Integrity::kUnchecked;
        }
    }

    void commit(std::vector<Item>& batch) {
        const SteadyTime begin = clock_.now();
        auto outcomes = write(batch);
        const std::int64_t took_us = (clock_.now() - begin).count() / 1000;
        account(batch, outcomes, took_us);
        for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i].done(outcomes ? std::move((*outcomes)[i])
                                   : fail(ErrorCode::kUnavailable, outcomes.error().message));
        }
    }

    Result<void> open_writer() {
        if (writer_ != nullptr) return {};
        TG_TRY(writer_, BatchWriter::open(options_, clock_, false));
        return {};
    }

    Result<std::vector<Result<void>>> write(const std::vector<Item>& batch) {
        TG_CHECK(open_writer());
        std::vector<const BatchWriter::Group*> groups;
        groups.reserve(batch.size());
        for (const Item& item : batch) groups.push_back(&item.decisions);
        auto outcomes = writer_->write(groups);
        // Its memory of the file may be wrong now; the next batch reads it again.
        if (!outcomes) writer_.reset();
        return outcomes;
    }

    void account(const std::vector<Item>& batch, const Result<std::vector<Result<void>>>& outcomes,
                 std::int64_t took_us) {
        const Lock lock(mutex_);
        health_.commit_us_last = took_us;
        health_.commit_us_max = std::max(health_.commit_us_max, took_us);
        commit_failed_ = !outcomes;
        if (!outcomes) {
            ++health_.commit_failures;
            if (!health_.degraded) health_.degraded_since = clock_.unix_ms();
            health_.degraded = true;
            health_.reason = outcomes.error().message;
            for (const Item& item : batch) health_.failed += item.decisions.size();
            return;
        }
        ++health_.commits;
        health_.degraded = health_.integrity == Integrity::kDamaged;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            ((*outcomes)[i] ? health_.appended : health_.refused_invalid) += batch[i].decisions.size();
        }
    }

    const SqliteLogOptions options_;
    const Clock& clock_;
    std::optional<store::FileLock> file_lock_;
    SteadyTime commit_begin_{};            // The writer thread's alone.
    std::unique_ptr<BatchWriter> writer_;  // The writer thread's alone; null after a failure, until the next batch.

    mutable Mutex mutex_;
    Condition wake_;
    Condition progressed_;
    std::deque<Item> queue_ TG_GUARDED_BY(mutex_);
    LogHealth health_ TG_GUARDED_BY(mutex_);
    std::uint64_t accepted_ TG_GUARDED_BY(mutex_) = 0;
    std::uint64_t finished_ TG_GUARDED_BY(mutex_) = 0;
    unsigned skip_gathers_ TG_GUARDED_BY(mutex_) = 0;
    bool asleep_ TG_GUARDED_BY(mutex_) = false;
    bool closing_ TG_GUARDED_BY(mutex_) = false;
    bool commit_failed_ TG_GUARDED_BY(mutex_) = false;  // The last one; then the disk is probed.
    std::unique_ptr<Caretaker> caretaker_;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<DecisionLog>> open_sqlite_log(SqliteLogOptions options, const Clock& clock) {
    auto file_lock = store::FileLock::take(options.path + ".lock");
    if (!file_lock) {
        Error error = std::move(file_lock).error();
        if (error.code == ErrorCode::kConflict) error.message += ": one server at a time writes a record";
        return std::unexpected(std::move(error));
    }
    std::error_code no_file;
    const std::uintmax_t bytes = std::filesystem::file_size(options.path, no_file);
    const bool check_first = no_file || bytes <= options.check_first_bytes_max;
    TG_TRY(auto writer, BatchWriter::open(options, clock, check_first));
    auto log = std::make_unique<SqliteDecisionLog>(std::move(options), clock, *std::move(file_lock), std::move(writer));
    TG_CHECK(log->start(check_first));
    return log;
}

}  // namespace tidegate::audit
