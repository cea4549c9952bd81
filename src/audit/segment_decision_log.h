// SegmentDecisionLog: the embedded form of the log: segments on disk, and the views that follow them.
//
// Position    Made and held by app/; audit/stored_log.h says what it does.
#pragma once

#include <memory>

#include "audit/segments/segment_log.h"
#include "audit/stored_log.h"

namespace tidegate::audit {

struct SegmentDecisionLogOptions {
    segments::SegmentLogOptions segments;  // on_durable is set here.
    WhenFailing when_failing = WhenFailing::kRefuse;
    Duration follower_retry = std::chrono::seconds(1);
};

class SegmentDecisionLog final : public StoredLog {
  public:
    /// Errors of SegmentLog::open(). `clock` and `random` outlive the log.
    static Result<std::unique_ptr<SegmentDecisionLog>> open(std::unique_ptr<segments::LogFolder> folder,
                                                            SegmentDecisionLogOptions options, const Clock& clock,
                                                            Random& random);
    ~SegmentDecisionLog() override;

    segments::SegmentLog& segments() noexcept { return *log_; }
    const segments::LogReader& reader() const noexcept { return log_->reader(); }

  private:
    SegmentDecisionLog(const SegmentDecisionLogOptions& options, const Clock& clock, Random& random);

    segments::SegmentLog* log_ = nullptr;  // Held by StoredLog.
};

}  // namespace tidegate::audit
