#include "audit/segment_decision_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "audit/segments/batch_scan.h"
#include "base/assert.h"
#include "base/json_writer.h"

namespace tidegate::audit {

SegmentDecisionLog::SegmentDecisionLog(SegmentDecisionLogOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      feed_([this](std::uint64_t from, std::uint64_t to,
                   const segments::LogReader::Visit& visit) { return reader().scan(from, to, visit); },
            [this] { return reader().first_leaf(); }, options_.follower_retry, clock) {}

SegmentDecisionLog::~SegmentDecisionLog() {
    if (log_) log_->close();
}

Result<std::unique_ptr<SegmentDecisionLog>> SegmentDecisionLog::open(std::unique_ptr<segments::LogFolder> folder,
                                                                     SegmentDecisionLogOptions options,
                                                                     const Clock& clock, Random& random) {
    std::unique_ptr<SegmentDecisionLog> made(new SegmentDecisionLog(std::move(options), clock, random));
    segments::SegmentLogOptions of_log = made->options_.segments;
    of_log.on_durable = [self = made.get()](const segments::DurableBatch& batch) { self->deliver(batch); };
    TG_TRY(made->log_, segments::SegmentLog::open(std::move(folder), std::move(of_log), clock, random));
    return made;
}

Result<void> SegmentDecisionLog::follow(std::vector<Follower*> followers) {
    return feed_.follow(std::move(followers), log_->tree().size());
}

void SegmentDecisionLog::deliver(const segments::DurableBatch& batch) {
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

void SegmentDecisionLog::append(Decision decision, Done done) {
    append_group({&decision, 1}, std::move(done));
}

void SegmentDecisionLog::append_batch(std::vector<Decision> decisions, Done done) {
    append_group(decisions, std::move(done));
}

void SegmentDecisionLog::append_group(std::span<const Decision> decisions, Done done) {
    log_->append_group(decisions,
                       [this, count = decisions.size(), done = std::move(done)](Result<std::uint64_t> leaf) mutable {
                           if (leaf) {
                               if (done) done({});
                               return log_gap();
                           }
                           const bool ours = leaf.error().code == ErrorCode::kUnavailable;
                           if (ours && options_.when_failing == WhenFailing::kGoOn) {
                               note_lost(count, leaf.error());
                               if (done) done({});
                           } else if (done) {
                               done(std::unexpected(std::move(leaf).error()));
                           }
                       });
}

void SegmentDecisionLog::submit(std::vector<Decision> decisions, Done taken) {
    // Refused at once the log calls back on this thread before append_group() returns.
    struct Call {
        std::thread::id caller = std::this_thread::get_id();
        bool returned = false;
        std::optional<Error> refused;
    };
    const auto call = std::make_shared<Call>();
    log_->append_group(decisions, [this, call, count = decisions.size()](Result<std::uint64_t> leaf) {
        if (leaf) return log_gap();
        if (std::this_thread::get_id() == call->caller && !call->returned) {
            call->refused = std::move(leaf).error();
        } else {
            note_lost(count, leaf.error());
        }
    });
    call->returned = true;
    if (!call->refused) return taken({});
    if (options_.when_failing == WhenFailing::kGoOn && call->refused->code == ErrorCode::kUnavailable) {
        note_lost(decisions.size(), *call->refused);
        return taken({});
    }
    taken(std::unexpected(*std::move(call->refused)));
}

void SegmentDecisionLog::note_lost(std::uint64_t records, const Error& error) {
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
void SegmentDecisionLog::log_gap() {
    if (!gap_waits_.load(std::memory_order_acquire)) return;
    Gap gap;
    {
        const Lock lock(gap_mutex_);
        gap = std::exchange(gap_, {});
        gap_waits_.store(false, std::memory_order_release);
    }
    if (gap.records == 0) return;
    const Decision event = gap_event(gap);
    log_->append_group({&event, 1}, [this, gap](const Result<std::uint64_t>& leaf) {
        if (leaf) return;
        const Lock lock(gap_mutex_);
        gap_.from = gap_.records == 0 ? gap.from : std::min(gap.from, gap_.from);
        gap_.to = std::max(gap.to, gap_.to);
        gap_.records += gap.records;
        gap_.reason = gap.reason;
        gap_waits_.store(true, std::memory_order_release);
    });
}

Decision SegmentDecisionLog::gap_event(const Gap& gap) const {
    Decision event;
    event.kind = RecordKind::kEvent;
    event.id = make_uuid7(clock_, random_);
    event.request_id = to_string(event.id);
    event.service = "audit";
    event.operation = "gap";
    JsonWriter writer(event.output);
    writer.begin_object()
        .field("records_lost", gap.records)
        .field("from", format_rfc3339(gap.from))
        .field("to", format_rfc3339(gap.to))
        .field("reason", gap.reason)
        .end_object();
    return event;
}

void SegmentDecisionLog::close() {
    // A gap that no later record has shown the way for.
    log_gap();
    log_->close();
}

LogHealth SegmentDecisionLog::health() const {
    const segments::SegmentLogHealth of_log = log_->health();
    LogHealth health;
    health.degraded = of_log.degraded;
    health.reason = of_log.reason;
    health.degraded_since = of_log.degraded_since;
    health.appended = of_log.appended;
    health.failed = of_log.failed;
    health.refused_full = of_log.refused_full + of_log.refused_degraded;
    health.refused_invalid = of_log.refused_invalid;
    health.commits = of_log.batches;
    health.commit_failures = of_log.write_failures;
    health.queue_records = of_log.queue_records;
    health.queue_bytes = of_log.queue_bytes;
    health.commit_us_last = of_log.write_us_last;
    health.commit_us_max = of_log.write_us_max;
    health.size = log_->tree().size();
    health.first = reader().first_leaf();
    health.note = of_log.keeper.reason;
    {
        const Lock lock(gap_mutex_);
        health.gap_records = gap_total_;
        health.gap_unlogged = gap_.records;
    }
    health.followers = feed_.health();
    return health;
}

}  // namespace tidegate::audit
