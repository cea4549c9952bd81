#include "audit/segment_decision_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "audit/segments/batch_scan.h"
#include "audit/segments/merkle.h"
#include "base/assert.h"
#include "base/json_writer.h"

namespace tidegate::audit {
namespace {

// A follower that is far behind must not hold back the acknowledgements of those who append now.
constexpr Duration kCatchUpPerBatch = std::chrono::milliseconds(50);

/// Records of a scan, gathered until they are worth a call.
class Gathered {
  public:
    explicit Gathered(Follower& follower) : follower_(follower) {}

    bool full() const noexcept { return ends_.size() >= kRecords || bytes_.size() >= kBytes; }
    void add(std::uint64_t leaf, segments::Bytes record) {
        if (ends_.empty()) first_ = leaf;
        bytes_.insert(bytes_.end(), record.begin(), record.end());
        ends_.push_back(bytes_.size());
        leaves_.push_back(segments::leaf_hash(record));
    }
    Result<void> give() {
        if (ends_.empty()) return {};
        views_.clear();
        std::size_t begin = 0;
        for (const std::size_t end : ends_) {
            TG_TRY(segments::RecordView view, segments::decode(segments::Bytes(bytes_).subspan(begin, end - begin)));
            views_.push_back(view);
            begin = end;
        }
        auto taken = follower_.follow({first_, views_, leaves_});
        bytes_.clear();
        ends_.clear();
        leaves_.clear();
        return taken;
    }

  private:
    static constexpr std::size_t kRecords = 4096;
    static constexpr std::size_t kBytes = 1024 * 1024;
    Follower& follower_;
    std::uint64_t first_ = 0;
    std::vector<std::uint8_t> bytes_;
    std::vector<std::size_t> ends_;
    std::vector<Sha256> leaves_;
    std::vector<segments::RecordView> views_;
};

}  // namespace

SegmentDecisionLog::SegmentDecisionLog(SegmentDecisionLogOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)), clock_(clock), random_(random) {}

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
    const std::uint64_t end = log_->tree().size();
    for (Follower* follower : followers) {
        if (follower->position() > end) {
            return fail(ErrorCode::kDataLoss,
                        fmt::format("{} holds {} decisions and the log only {}: is it another log's?", follower->name(),
                                    follower->position(), end));
        }
        TG_CHECK(catch_up(*follower, end, SteadyTime::max()));
        watched_.push_back({.follower = follower});
        const Lock lock(shown_mutex_);
        shown_.emplace_back();
    }
    return {};
}

Result<void> SegmentDecisionLog::catch_up(Follower& follower, std::uint64_t end, SteadyTime until) {
    Gathered gathered(follower);
    const std::uint64_t from = std::max(follower.position(), reader().first_leaf());
    if (from >= end) return {};
    Result<void> given;
    TG_CHECK(reader().scan(from, end, [&](std::uint64_t leaf, segments::Bytes record) {
        gathered.add(leaf, record);
        if (!gathered.full()) return true;
        given = gathered.give();
        return given.has_value() && clock_.now() < until;
    }));
    TG_CHECK(std::move(given));
    return gathered.give();
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
    const DurableRecords records{batch.first_leaf, views_, batch.leaves};
    for (std::size_t i = 0; i < watched_.size(); ++i) give(i, records);
}

void SegmentDecisionLog::give(std::size_t index, const DurableRecords& records) {
    Watched& watched = watched_[index];
    Follower& follower = *watched.follower;
    if (watched.behind) {
        const SteadyTime now = clock_.now();
        if (now < watched.retry_at) return;
        if (auto caught = catch_up(follower, records.first_leaf, now + kCatchUpPerBatch); !caught) {
            return note_failure(index, caught.error());
        }
        // Retention may have removed what it misses; else it goes on with the next batch.
        if (std::max(follower.position(), reader().first_leaf()) < records.first_leaf) return;
        watched.behind = false;
        const Lock lock(shown_mutex_);
        shown_[index].behind = false;
    }
    const std::uint64_t from = std::max(follower.position(), records.first_leaf);
    if (from >= records.end()) return;
    if (auto followed = follower.follow(records.from(from)); !followed) note_failure(index, followed.error());
}

void SegmentDecisionLog::note_failure(std::size_t index, const Error& error) {
    watched_[index].behind = true;
    watched_[index].retry_at = clock_.now() + options_.follower_retry;
    const Lock lock(shown_mutex_);
    shown_[index] = {.behind = true, .reason = error.message};
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
    const Lock lock(shown_mutex_);
    for (std::size_t i = 0; i < shown_.size(); ++i) {
        const Follower& follower = *watched_[i].follower;
        health.followers.push_back(
            {std::string(follower.name()), follower.position(), shown_[i].behind, shown_[i].reason});
    }
    return health;
}

}  // namespace tidegate::audit
