#include "services/compliance/ingest/ingest.h"

#include "audit/privacy/master_key.h"

namespace tidegate::compliance::ingest {
namespace {

// Some 0.2 s of a start; after it a sender that begins anew where it stopped is answered from memory.
constexpr std::uint64_t kWarmLeaves = 200'000;

}  // namespace

using observe::MetricType;
using observe::Samples;

Result<audit::privacy::Key> open_ingest_key(const std::string& path, Random& random) {
    auto key = audit::privacy::load_master_key(path);
    if (!key && key.error().code == ErrorCode::kNotFound) key = audit::privacy::create_master_key(path, random);
    if (!key) return fail(key.error().code, path + " (the key of ingest): " + key.error().message);
    return key;
}

Result<std::unique_ptr<Ingest>> Ingest::open(const IngestNeeds& needs) {
    std::unique_ptr<Ingest> made(new Ingest());
    auto folder = std::make_unique<audit::segments::SystemLogFolder>(needs.folder);
    TG_TRY(made->index_, IngestIndex::open(std::move(folder), {.warm_leaves = kWarmLeaves}, needs.log.log_id(),
                                           needs.log.tree().size()));
    TG_TRY(auto key, open_ingest_key(needs.key_path, needs.random));
    made->intake_ = std::make_unique<Intake>(Intake::Parts{
        .log = needs.log, .index = *made->index_, .privacy = needs.privacy, .digest_key = std::move(key)});
    const IngestSettings& settings = needs.settings;
    // A place for each piece of each stream: a queue that is full would cut one off.
    made->workers_ = std::make_unique<runtime::WorkerPool>("ingest", settings.workers,
                                                           std::size_t{settings.streams_max} * BatchStream::kDepth);
    made->routes_ =
        std::make_unique<RouteParts>(RouteParts{.batch = {.intake = *made->intake_,
                                                          .workers = *made->workers_,
                                                          .clock = needs.clock,
                                                          .privacy = needs.privacy,
                                                          .line_bytes_max = settings.line_bytes_max},
                                                .streams_max = settings.streams_max,
                                                .streams = std::make_shared<std::atomic<std::uint32_t>>(0)});
    return made;
}

Ingest::~Ingest() {
    stop_routes();
    stop();
}

void Ingest::register_routes(std::vector<pipeline::Route>& routes) {
    register_ingest_routes(routes, *routes_);
}

void Ingest::declare_metrics(observe::Registry& registry) const {
    registry.callback(
        {.name = "tidegate_ingest_decisions_total",
         .help = "Decisions from elsewhere, by what became of them.",
         .labels = {"outcome"},
         .when_it_rises = "`conflict`: a sender uses a request id twice; `failed`: look at the log's disk."},
        MetricType::kCounter, [this](Samples& out) {
            const IntakeHealth health = intake_->health();
            out.add({"recorded"}, static_cast<double>(health.recorded));
            out.add({"duplicate"}, static_cast<double>(health.duplicates));
            out.add({"conflict"}, static_cast<double>(health.conflicts));
            out.add({"failed"}, static_cast<double>(health.failed));
        });
    registry.callback({.name = "tidegate_ingest_streams",
                       .help = "Streams of decisions open now.",
                       .when_it_rises = "Over ingest.streams_max new ones are refused."},
                      MetricType::kGauge,
                      [this](Samples& out) { out.add({}, static_cast<double>(routes_->streams->load())); });
    registry.callback({.name = "tidegate_ingest_looked_up_total",
                       .help = "Decisions from elsewhere for which the log was asked whether it has them.",
                       .when_it_rises = "Senders repeat themselves; new ones need it about once in some hundred."},
                      MetricType::kCounter,
                      [this](Samples& out) { out.add({}, static_cast<double>(intake_->health().looked_up)); });
    registry.callback({.name = "tidegate_ingest_index_bytes",
                       .help = "Memory of the index of request ids.",
                       .when_it_rises = "2 to 4 bytes for each decision that came in from elsewhere."},
                      MetricType::kGauge,
                      [this](Samples& out) { out.add({}, static_cast<double>(index_->health().bytes)); });
}

void Ingest::stop_routes() {
    if (workers_) workers_->stop();
}

void Ingest::stop() {
    if (index_) index_->stop();
}

}  // namespace tidegate::compliance::ingest
