// SegmentDecisionLog: the embedded form of the log: segments on disk, and the views that follow them.
//
// Position    Made and held by app/; the pipeline sees DecisionLog, the views are Followers.
// Guarantee   An acknowledged record is durable and in every follower that is not behind. Ids are made by this server: the log
//             does not look whether it has one already (audit's ingest does, for decisions from elsewhere).
// Gaps        A record that is lost after its answer went out (submit(), or WhenFailing::kGoOn) is counted, and when the log takes
//             records again an event `audit` `gap` says how many, from when to when and why.
// Threads     As DecisionLog. follow() before the first append.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "audit/decision_log.h"
#include "audit/follower_feed.h"
#include "audit/segments/segment_log.h"
#include "base/mutex.h"
#include "base/random.h"

namespace tidegate::audit {

enum class WhenFailing : std::uint8_t {
    kRefuse,  // append() fails, and with it the answer.
    kGoOn,    // append() succeeds, the record is part of a gap.
};

struct SegmentDecisionLogOptions {
    segments::SegmentLogOptions segments;  // on_durable is set here.
    WhenFailing when_failing = WhenFailing::kRefuse;
    Duration follower_retry = std::chrono::seconds(1);
};

class SegmentDecisionLog final : public DecisionLog {
  public:
    /// Errors of SegmentLog::open(). `clock` and `random` outlive the log.
    static Result<std::unique_ptr<SegmentDecisionLog>> open(std::unique_ptr<segments::LogFolder> folder,
                                                            SegmentDecisionLogOptions options, const Clock& clock,
                                                            Random& random);
    ~SegmentDecisionLog() override;

    /// Brings the followers to the log's end, each from where it stands, and keeps them there from now on. They outlive the log.
    /// kDataLoss: one holds more than the log has; or its own error.
    Result<void> follow(std::vector<Follower*> followers);

    void append(Decision decision, Done done) override;
    void append_batch(std::vector<Decision> decisions, Done done) override;
    void submit(std::vector<Decision> decisions, Done taken) override;
    LogHealth health() const override;
    void flush() override { log_->flush(); }
    void close() override;

    segments::SegmentLog& segments() noexcept { return *log_; }
    const segments::LogReader& reader() const noexcept { return log_->reader(); }

  private:
    struct Gap {
        std::uint64_t records = 0;
        UnixMillis from = 0;
        UnixMillis to = 0;
        std::string reason;
    };

    SegmentDecisionLog(SegmentDecisionLogOptions options, const Clock& clock, Random& random);
    void append_group(std::span<const Decision> decisions, Done done);
    void deliver(const segments::DurableBatch& batch);
    void note_lost(std::uint64_t records, const Error& error);
    void log_gap();
    Decision gap_event(const Gap& gap) const;

    const SegmentDecisionLogOptions options_;
    const Clock& clock_;
    Random& random_;

    std::vector<segments::RecordView> views_;  // The finisher's.
    FollowerFeed feed_;                        // The finisher's.

    mutable Mutex gap_mutex_;
    Gap gap_ TG_GUARDED_BY(gap_mutex_);
    std::uint64_t gap_total_ TG_GUARDED_BY(gap_mutex_) = 0;
    std::atomic<bool> gap_waits_{false};

    std::unique_ptr<segments::SegmentLog> log_;  // Last: its threads use the members above.
};

}  // namespace tidegate::audit
