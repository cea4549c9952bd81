// ComplianceAssembly: the services around the record: reading it, proving it, watching it for drift, keeping content private.
//
// Order       open_privacy() before the first record: each passes the policy. open_watch() before the log's followers are fed;
//             start() when the log is open. close_streams() when a drain begins, stop() before the log closes, save()
//             after it.
// Threads     The main thread; what it holds says for itself.
#pragma once

#include <memory>
#include <vector>

#include "app/settings.h"
#include "audit/privacy/key_store.h"
#include "audit/privacy/policy.h"
#include "audit/privacy/vault.h"
#include "audit/stored_log.h"
#include "base/json_writer.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/loop_parts.h"
#include "pipeline/route.h"
#include "services/compliance/drift/watch.h"
#include "services/compliance/ingest/ingest.h"
#include "services/compliance/stream_pump.h"

namespace tidegate::app {

class AuditAssembly;

/// All of it outlives the assembly.
struct ComplianceNeeds {
    const AppSettings& settings;
    const Clock& clock;
    Random& random;
    observe::Logger& log;
    bool loopback_without_keys;
};

class ComplianceAssembly {
  public:
    static Result<std::unique_ptr<ComplianceAssembly>> open(const ComplianceNeeds& needs);
    ~ComplianceAssembly();

    /// Null: no policy asks for anything.
    audit::privacy::PrivacyPolicy* privacy() noexcept { return privacy_.get(); }
    /// After followers().
    compliance::ingest::Ingest& ingest() noexcept { return *ingest_; }
    /// What is to follow `log`, which outlives stop(). `is_short`: it is known to have lost its end.
    Result<std::vector<audit::Follower*>> followers(audit::StoredLog& log, bool is_short);

    /// The log is open and its followers are fed. `audit` outlives stop().
    Result<void> start(AuditAssembly& audit);
    void register_routes(std::vector<pipeline::Route>& routes, AuditAssembly& audit);
    std::vector<pipeline::LoopListener*> loop_listeners();
    void declare_metrics(observe::Registry& registry) const;
    /// Null: drift.enabled is off.
    const compliance::DriftWatch* drift() const noexcept { return drift_.get(); }
    bool is_degraded() const;
    /// Members of /health.
    void append_status(JsonWriter& writer) const;
    void close_streams();
    /// The pools have ended: takes what came in from elsewhere to the log.
    void stop();
    /// The log is closed.
    void save();

  private:
    explicit ComplianceAssembly(const ComplianceNeeds& needs) : needs_(needs) {}
    Result<void> open_privacy();

    const ComplianceNeeds needs_;
    bool stopped_ = false;
    bool saved_ = false;
    std::unique_ptr<audit::privacy::KeyStore> keys_;
    std::unique_ptr<audit::privacy::Vault> vault_;
    std::unique_ptr<audit::privacy::PrivacyPolicy> privacy_;
    std::unique_ptr<compliance::DriftWatch> drift_;
    std::unique_ptr<compliance::ingest::Ingest> ingest_;
    std::unique_ptr<compliance::StreamPump> pump_;
};

}  // namespace tidegate::app
