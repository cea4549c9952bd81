// Ingest: decisions from elsewhere over HTTP: the routes and what they stand on.
//
// Position    Made by app/ after the log is open; its index follows the log.
// Threads     open(), stop() on the main thread.
//
//     TG_TRY(ingest_, ingest::Ingest::open({.settings = settings.ingest, .log = log->segments(), .privacy = policy_or_null,
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
#include "services/compliance/ingest/intake.h"
#include "services/compliance/ingest/settings.h"

namespace tidegate::compliance::ingest {

struct IngestNeeds {
    const IngestSettings& settings;
    audit::segments::SegmentLog& log;
    audit::privacy::PrivacyPolicy* privacy = nullptr;
    const Clock& clock;
    Random& random;
    std::string folder;    // Of the index.
    std::string key_path;  // Of the key of the digests; made where it is missing.
};

class Ingest {
  public:
    static Result<std::unique_ptr<Ingest>> open(const IngestNeeds& needs);
    ~Ingest();

    audit::Follower& index() noexcept { return *index_; }
    Intake& intake() noexcept { return *intake_; }
    IndexHealth index_health() const { return index_->health(); }
    void register_routes(std::vector<pipeline::Route>& routes);
    void declare_metrics(observe::Registry& registry) const;
    /// What was read is taken into the log, nothing more is read. Before the log closes.
    void stop_routes();
    /// After the log is closed.
    void stop();

  private:
    explicit Ingest(const IngestNeeds& needs);
    const IngestNeeds needs_;
    std::unique_ptr<IngestIndex> index_;
    std::unique_ptr<Intake> intake_;
    std::unique_ptr<runtime::WorkerPool> workers_;
    std::shared_ptr<std::atomic<std::uint32_t>> streams_ = std::make_shared<std::atomic<std::uint32_t>>(0);
};

}  // namespace tidegate::compliance::ingest
