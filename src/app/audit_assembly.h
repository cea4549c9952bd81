// AuditAssembly: the record put together: the log, what follows it, and who answers from it.
//
// Order       open() recovers the log, brings every follower to its end and takes over an older SQLite log: afterwards everything
//             may append. stop() after the last append: first who reads, then the log, then who signs what it has come to.
// Threads     open(), start(), stop() on the main thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/settings.h"
#include "audit/keep/holds.h"
#include "audit/keep/proof_keeper.h"
#include "audit/keep/retention.h"
#include "audit/stored_log.h"
#include "audit/verify/verify.h"
#include "audit/views/columns.h"
#include "audit/views/cube.h"
#include "audit/views/kinds.h"
#include "audit/views/live_feed.h"
#include "audit/views/live_statistics.h"
#include "audit/views/log_history.h"
#include "base/json_writer.h"
#include "bus/bus.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tidegate::app {

/// All of it outlives the assembly.
struct AuditNeeds {
    const AppSettings& settings;
    const std::string& database_path;
    const Clock& clock;
    Random& random;
    const Disk& disk;
    observe::Logger& log;
};

/// The folder of the log, or, of a log in a database, of what is kept beside it: views, tiles, checkpoints.
std::string audit_folder(const AppSettings& settings);

class AuditAssembly {
  public:
    /// What `others` gives for the open log follows it too, until stop(). `is_short`: a checkpoint says that the log had more, so that
    /// nothing is signed any more; others may hold more of it too. An Error says what could not be opened, and how to go on where there is a way.
    using Others = std::function<Result<std::vector<audit::Follower*>>(audit::StoredLog& log, bool is_short)>;
    static Result<std::unique_ptr<AuditAssembly>> open(const AuditNeeds& needs, const Others& others);
    ~AuditAssembly();

    audit::StoredLog& log() noexcept { return *log_; }
    const audit::LogReader& reader() const noexcept { return log_->reader(); }
    const audit::LogHistory& history() const noexcept { return *history_; }
    const audit::LiveStatistics& statistics() const noexcept { return *statistics_; }
    audit::LiveFeed& live() noexcept { return *live_; }
    audit::keep::ProofKeeper& proofs() noexcept { return *proofs_; }
    audit::keep::Retention& retention() noexcept { return *retention_; }
    audit::keep::Holds& holds() noexcept { return *holds_; }

    /// By the verifier that shares nothing with what writes the log.
    Result<audit::verify::Report> verify(std::vector<audit::verify::Key> keys) const;

    void declare_metrics(observe::Registry& registry) const;
    /// Answers go out although the log takes no records.
    bool goes_on() const noexcept { return needs_.settings.audit.when_failing == "go_on"; }
    /// What is kept beside the records themselves fails: the log goes on.
    bool is_degraded() const;
    /// Members of /health `decisions`.
    void append_status(JsonWriter& writer) const;

    void stop();

  private:
    explicit AuditAssembly(const AuditNeeds& needs) : needs_(needs) {}
    Result<void> open_log();
    Result<void> open_segments();
    Result<void> open_database();
    Result<void> open_followers();
    Result<void> open_statistics();
    Result<void> open_keepers(const Others& others);

    const AuditNeeds needs_;
    bool stopped_ = false;
    std::unique_ptr<audit::StoredLog> log_;
    audit::Kinds kinds_;
    std::unique_ptr<audit::Columns> columns_;
    std::unique_ptr<audit::Cube> cube_;
    std::unique_ptr<audit::LiveFeed> live_;
    std::unique_ptr<audit::LogHistory> history_;
    std::unique_ptr<audit::LiveStatistics> statistics_;
    std::unique_ptr<audit::keep::ProofKeeper> proofs_;
    std::unique_ptr<audit::keep::Holds> holds_;
    std::unique_ptr<audit::keep::Retention> retention_;
    std::unique_ptr<bus::Bus> bus_;
};

}  // namespace tidegate::app
