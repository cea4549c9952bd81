#include "audit/stored_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "audit/segments/batch_scan.h"
#include "base/assert.h"
#include "base/json_writer.h"

namespace tidegate::audit {

StoredLog::StoredLog(WhenFailing when_failing, Duration follower_retry, const Clock& clock, Random& random)
    : when_failing_(when_failing),
      clock_(clock),
      random_(random),
      feed_([this](std::uint64_t from, std::uint64_t to,
                   const LogReader::Visit& visit) { return reader().scan(from, to, visit); },
            [this] { return reader().first_leaf(); }, follower_retry, clock) {}

Result<void> StoredLog::follow(std::vector<Follower*> followers) {
    return feed_.follow(std::move(followers), store_->tree().size());
}

void StoredLog::deliver(const DurableBatch& batch) {
    views_.clear();
    segments::RecordCursor cursor(batch.payload);
    segments::Bytes record;
    while (cursor.next(record)) {
        auto view = segments::decode(record);
        TG_ASSERT(view.has_value());  // This process has just encoded it.
        views_.push_back(*view);
    }
    TG_ASSERT(views_.size() == batch.leaves.size());
    feed_.deliver({batch.first_leaf, views_, batch.leaves});
}

void StoredLog::append(Decision decision, Done done) {
    append_group({&decision, 1}, std::move(done));
}

void StoredLog::append_batch(std::vector<Decision> decisions, Done done) {
    append_group(decisions, std::move(done));
}

void StoredLog::append_group(std::span<const Decision> decisions, Done done) {
    store_->append_group(decisions,
                         [this, count = decisions.size(), done = std::move(done)](Result<std::uint64_t> leaf) mutable {
                             if (leaf) {
                                 if (done) done({});
                                 return log_gap();
                             }
                             const bool ours = leaf.error().code == ErrorCode::kUnavailable;
                             if (ours && when_failing_ == WhenFailing::kGoOn) {
                                 note_lost(count, leaf.error());
                                 if (done) done({});
                             } else if (done) {
                                 done(std::unexpected(std::move(leaf).error()));
                             }
                         });
}

void StoredLog::submit(std::vector<Decision> decisions, Done taken) {
    // Refused at once the log calls back on this thread before append_group() returns.
    struct Call {
        std::thread::id caller = std::this_thread::get_id();
        bool returned = false;
        std::optional<Error> refused;
    };
    const auto call = std::make_shared<Call>();
    store_->append_group(decisions, [this, call, count = decisions.size()](Result<std::uint64_t> leaf) {
        if (leaf) return log_gap();
        if (std::this_thread::get_id() == call->caller && !call->returned) {
            call->refused = std::move(leaf).error();
        } else {
            note_lost(count, leaf.error());
        }
    });
    call->returned = true;
    if (!call->refused) return taken({});
    if (when_failing_ == WhenFailing::kGoOn && call->refused->code == ErrorCode::kUnavailable) {
        note_lost(decisions.size(), *call->refused);
        return taken({});
    }
    taken(std::unexpected(*std::move(call->refused)));
}

void StoredLog::note_lost(std::uint64_t records, const Error& error) {
    const Lock lock(gap_mutex_);
    const UnixMillis now = clock_.unix_ms();
    if (gap_.records == 0) gap_.from = now;
    gap_.to = now;
    gap_.records += records;
    gap_.reason = error.message;
    gap_total_ += records;
    gap_waits_.store(true, std::memory_order_release);
}

// Called when records have become durable: the log takes some again.
void StoredLog::log_gap() {
    if (!gap_waits_.load(std::memory_order_acquire)) return;
    Gap gap;
    {
        const Lock lock(gap_mutex_);
        gap = std::exchange(gap_, {});
        gap_waits_.store(false, std::memory_order_release);
    }
    if (gap.records == 0) return;
    const Decision event = gap_event(gap);
    store_->append_group({&event, 1}, [this, gap](const Result<std::uint64_t>& leaf) {
        if (leaf) return;
        const Lock lock(gap_mutex_);
        gap_.from = gap_.records == 0 ? gap.from : std::min(gap.from, gap_.from);
        gap_.to = std::max(gap.to, gap_.to);
        gap_.records += gap.records;
        gap_.reason = gap.reason;
        gap_waits_.store(true, std::memory_order_release);
    });
}

Decision StoredLog::gap_event(const Gap& gap) const {
    Decision event = own_event("audit", "gap", clock_, random_);
    JsonWriter writer(event.output);
    writer.begin_object()
        .field("records_lost", gap.records)
        .field("from", format_rfc3339(gap.from))
        .field("to", format_rfc3339(gap.to))
        .field("reason", gap.reason)
        .end_object();
    return event;
}

void StoredLog::close() {
    // A gap that no later record has shown the way for.
    log_gap();
    store_->close();
}

LogHealth StoredLog::health() const {
    LogHealth health = store_->log_health();
    {
        const Lock lock(gap_mutex_);
        health.gap_records = gap_total_;
        health.gap_unlogged = gap_.records;
    }
    health.followers = feed_.health();
    return health;
}

}  // namespace tidegate::audit
