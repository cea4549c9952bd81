// Ingest: decisions from elsewhere over HTTP: the routes and what they stand on.
//
// Position    Made by app/ after the log is open; its index follows the log.
// Threads     open(), stop() on the main thread.
//
//     TG_TRY(ingest_, ingest::Ingest::open({.settings = settings.ingest, .log = log->store(), .privacy = policy_or_null,
//                                           .clock = clock, .random = random,
//                                           .folder = audit_folder + "/ingest", .key_path = data_dir + "/ingest.key"}));
//     log->follow({..., &ingest_->index()});
//     ingest_->register_routes(routes);
//     // At the end, when HTTP has drained: ingest_->stop_routes(); log->close(); ingest_->stop();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "observe/metrics.h"
#include "pipeline/route.h"
#include "runtime/worker_pool.h"
#include "services/compliance/ingest/ingest_routes.h"
#include "services/compliance/ingest/intake.h"
#include "services/compliance/ingest/settings.h"

namespace tidegate::compliance::ingest {

/// All that is referred to outlives Ingest.
struct IngestNeeds {
    const IngestSettings& settings;
    audit::LogStore& log;
    audit::privacy::PrivacyPolicy* privacy = nullptr;
    const Clock& clock;
    Random& random;
    std::string folder;    // Of the index.
    std::string key_path;  // Of the key of the digests; made where it is missing.
};

/// The key of the digests that tell a second send of the same content from another content. Made where it is missing. Lost, a
/// second send of what was recorded before is a conflict, never another record.
Result<audit::privacy::Key> open_ingest_key(const std::string& path, Random& random);

class Ingest {
  public:
    /// kPermissionDenied, kDataLoss: the key's file is not as it should be.
    static Result<std::unique_ptr<Ingest>> open(const IngestNeeds& needs);
    ~Ingest();

    audit::Follower& index() noexcept { return *index_; }
    Intake& intake() noexcept { return *intake_; }
    IndexHealth index_health() const { return index_->health(); }
    void register_routes(std::vector<pipeline::Route>& routes);
    void declare_metrics(observe::Registry& registry) const;
    /// What was read is taken into the log, nothing more is read. When HTTP has drained, before the log closes.
    void stop_routes();
    /// The index is saved. After the log is closed.
    void stop();

  private:
    Ingest() = default;
    std::unique_ptr<IngestIndex> index_;
    std::unique_ptr<Intake> intake_;
    std::unique_ptr<runtime::WorkerPool> workers_;
    std::unique_ptr<RouteParts> routes_;
};

}  // namespace tidegate::compliance::ingest
