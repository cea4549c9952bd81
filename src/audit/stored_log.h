// StoredLog: the decision log over a LogStore: the views that follow it, and what happens when it takes no records.
//
// Position    Behind DecisionLog, which the pipeline sees; made by SegmentDecisionLog or PostgresDecisionLog and held by app/.
// Guarantee   An acknowledged record is durable and in every follower that is not behind. Ids are made by this server: the log
//             does not look whether it has one already (audit's ingest does, for decisions from elsewhere).
// Gaps        A record that is lost after its answer went out (submit(), or WhenFailing::kGoOn) is counted, and when the log takes
//             records again an event `audit` `gap` says how many, from when to when and why.
// Threads     As DecisionLog. follow() before the first append.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "audit/follower_feed.h"
#include "audit/log_store.h"
#include "base/mutex.h"
#include "base/random.h"

namespace tidegate::audit {

enum class WhenFailing : std::uint8_t {
    kRefuse,  // append() fails, and with it the answer.
    kGoOn,    // append() succeeds, the record is part of a gap.
};

class StoredLog : public DecisionLog {
  public:
    /// Brings the followers to the log's end, each from where it stands, and keeps them there from now on. They outlive the log.
    /// kDataLoss: one holds more than the log has; or its own error.
    Result<void> follow(std::vector<Follower*> followers);

    void append(Decision decision, Done done) override;
    void append_batch(std::vector<Decision> decisions, Done done) override;
    void submit(std::vector<Decision> decisions, Done taken) override;
    LogHealth health() const override;
    void flush() override { store_->flush(); }
    void close() override;

    LogStore& store() noexcept { return *store_; }
    const LogReader& reader() const noexcept { return store_->reader(); }
    segments::MerkleStack tree() const { return store_->tree(); }
    const segments::LogId& log_id() const noexcept { return store_->log_id(); }

  protected:
    /// `clock` and `random` outlive the log. Then hold(), before anything else.
    StoredLog(WhenFailing when_failing, Duration follower_retry, const Clock& clock, Random& random);
    void hold(std::unique_ptr<LogStore> store) { store_ = std::move(store); }
    /// What the store calls for each batch, before it tells who waits for it.
    void deliver(const DurableBatch& batch);

  private:
    struct Gap {
        std::uint64_t records = 0;
        UnixMillis from = 0;
        UnixMillis to = 0;
        std::string reason;
    };
    void append_group(std::span<const Decision> decisions, Done done);
    void note_lost(std::uint64_t records, const Error& error);
    void log_gap();
    Decision gap_event(const Gap& gap) const;

    const WhenFailing when_failing_;
    const Clock& clock_;
    Random& random_;

    std::vector<segments::RecordView> views_;  // The delivering thread's.
    FollowerFeed feed_;                        // Likewise.

    mutable Mutex gap_mutex_;
    Gap gap_ TG_GUARDED_BY(gap_mutex_);
    std::uint64_t gap_total_ TG_GUARDED_BY(gap_mutex_) = 0;
    std::atomic<bool> gap_waits_{false};

    std::unique_ptr<LogStore> store_;  // Last: its threads use the members above.
};

}  // namespace tidegate::audit
