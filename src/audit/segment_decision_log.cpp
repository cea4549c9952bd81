#include "audit/segment_decision_log.h"

#include <utility>

namespace tidegate::audit {

SegmentDecisionLog::SegmentDecisionLog(const SegmentDecisionLogOptions& options, const Clock& clock, Random& random)
    : StoredLog(options.when_failing, options.follower_retry, clock, random) {}

SegmentDecisionLog::~SegmentDecisionLog() {
    if (log_ != nullptr) log_->close();
}

Result<std::unique_ptr<SegmentDecisionLog>> SegmentDecisionLog::open(std::unique_ptr<segments::LogFolder> folder,
                                                                     SegmentDecisionLogOptions options,
                                                                     const Clock& clock, Random& random) {
    std::unique_ptr<SegmentDecisionLog> made(new SegmentDecisionLog(options, clock, random));
    segments::SegmentLogOptions of_log = std::move(options.segments);
    of_log.on_durable = [self = made.get()](const DurableBatch& batch) { self->deliver(batch); };
    TG_TRY(auto log, segments::SegmentLog::open(std::move(folder), std::move(of_log), clock, random));
    made->log_ = log.get();
    made->hold(std::move(log));
    return made;
}

}  // namespace tidegate::audit
