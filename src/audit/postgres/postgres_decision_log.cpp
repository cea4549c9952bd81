#include "audit/postgres/postgres_decision_log.h"

#include <utility>

namespace tidegate::audit::postgres {

PostgresDecisionLog::PostgresDecisionLog(const PostgresLogOptions& options, const Clock& clock, Random& random)
    : StoredLog(options.when_failing, options.follower_retry, clock, random) {}

PostgresDecisionLog::~PostgresDecisionLog() {
    if (log_ != nullptr) log_->close();
}

Result<std::unique_ptr<PostgresDecisionLog>> PostgresDecisionLog::open(PostgresLogOptions options, const Clock& clock,
                                                                       Random& random) {
    std::unique_ptr<PostgresDecisionLog> made(new PostgresDecisionLog(options, clock, random));
    options.on_durable = [self = made.get()](const DurableBatch& batch) { self->deliver(batch); };
    TG_TRY(auto log, PostgresLog::open(std::move(options), clock, random));
    made->log_ = log.get();
    made->hold(std::move(log));
    return made;
}

}  // namespace tidegate::audit::postgres
