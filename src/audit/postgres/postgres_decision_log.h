// PostgresDecisionLog: the log in PostgreSQL, and the views that follow it.
//
// Position    Made and held by app/; audit/stored_log.h says what it does, audit/postgres/postgres_log.h where the records are.
#pragma once

#include <memory>

#include "audit/postgres/postgres_log.h"
#include "audit/stored_log.h"

namespace tidegate::audit::postgres {

struct PostgresLogOptions : PostgresStoreOptions {  // on_durable is set here.
    WhenFailing when_failing = WhenFailing::kRefuse;
    Duration follower_retry = std::chrono::seconds(1);
};

class PostgresDecisionLog final : public StoredLog {
  public:
    /// Errors of PostgresLog::open(). `clock` and `random` outlive the log.
    static Result<std::unique_ptr<PostgresDecisionLog>> open(PostgresLogOptions options, const Clock& clock,
                                                             Random& random);
    ~PostgresDecisionLog() override;

    const PostgresReader& reader() const noexcept { return log_->reader(); }
    std::uint64_t keep_rounds() const noexcept { return log_->keep_rounds(); }

  private:
    PostgresDecisionLog(const PostgresLogOptions& options, const Clock& clock, Random& random);

    PostgresLog* log_ = nullptr;  // Held by StoredLog.
};

}  // namespace tidegate::audit::postgres
