#include "app/compliance_assembly.h"

#include <filesystem>

#include "app/audit_assembly.h"
#include "services/compliance/drift/drift_routes.h"
#include "services/compliance/erase_routes.h"
#include "services/compliance/proof_routes.h"
#include "services/compliance/query_routes.h"
#include "services/compliance/reading.h"
#include "services/compliance/reports/report_routes.h"
#include "services/compliance/retention_routes.h"

namespace tidegate::app {

using audit::privacy::PrivacyPolicy;
using audit::privacy::Vault;

Result<std::unique_ptr<ComplianceAssembly>> ComplianceAssembly::open(const ComplianceNeeds& needs) {
    std::unique_ptr<ComplianceAssembly> made(new ComplianceAssembly(needs));
    TG_CHECK(made->open_privacy());
    if (needs.settings.drift.enabled) {
        const std::string path = needs.settings.process.data_dir + "/drift.db";
        auto drift = compliance::DriftWatch::open(needs.settings.drift, path, needs.clock, &needs.log);
        if (!drift) return fail(drift.error().code, path + ": " + drift.error().message);
        made->drift_ = *std::move(drift);
    }
    made->pump_ = std::make_unique<compliance::StreamPump>(needs.clock, needs.settings.compliance);
    return made;
}

ComplianceAssembly::~ComplianceAssembly() {
    stop();
    save();
}

Result<void> ComplianceAssembly::open_privacy() {
    const audit::privacy::PrivacySettings& settings = needs_.settings.privacy;
    const std::string& folder = needs_.settings.process.data_dir;
    // Also where nothing is kept any more: what was kept can be read and erased.
    if (PrivacyPolicy::needs_keys(settings) || std::filesystem::exists(folder + "/privacy.db")) {
        const std::string master = settings.master_key_path.empty() ? folder + "/master.key" : settings.master_key_path;
        TG_TRY(keys_,
               audit::privacy::KeyStore::open({.path = folder + "/privacy.db", .master_key_path = master, .vfs = {}},
                                              needs_.clock, needs_.random));
        Vault::Options options;
        options.when_full = settings.when_full == "drop" ? Vault::WhenFull::kDrop : Vault::WhenFull::kRefuse;
        options.queue_bytes_max = settings.queue_bytes_max;
        TG_TRY(vault_, Vault::open(*keys_, options, needs_.clock, needs_.random));
    }
    TG_TRY(privacy_, PrivacyPolicy::make(settings, keys_.get(), vault_.get()));
    return {};
}

Result<std::vector<audit::Follower*>> ComplianceAssembly::followers(audit::StoredLog& log, bool is_short) {
    const std::string& folder = needs_.settings.process.data_dir;
    TG_TRY(ingest_, compliance::ingest::Ingest::open({.settings = needs_.settings.ingest,
                                                      .log = log.store(),
                                                      .privacy = privacy_.get(),
                                                      .clock = needs_.clock,
                                                      .random = needs_.random,
                                                      .folder = audit_folder(needs_.settings) + "/ingest",
                                                      .key_path = folder + "/ingest.key"}));
    std::vector<audit::Follower*> all{&ingest_->index()};
    if (drift_) {
        // Only then: of a log that was put back from a copy with its checkpoints nobody else knows that it had more.
        if (is_short) drift_->fit_to(log.reader().end_leaf());
        all.push_back(drift_.get());
    }
    return all;
}

Result<void> ComplianceAssembly::start(AuditAssembly& audit) {
    if (drift_) drift_->start(audit.reader());
    if (vault_) TG_CHECK(compliance::log_pending_erasures(*vault_, audit.log()));
    return {};
}

void ComplianceAssembly::register_routes(std::vector<pipeline::Route>& routes, AuditAssembly& audit) {
    const std::size_t before = routes.size();
    const audit::segments::LogId& id = audit.log().log_id();
    const std::string log_id = to_hex(id.data(), id.size());
    compliance::register_query_routes(routes, {.clock = needs_.clock,
                                               .history = audit.history(),
                                               .feed = audit.live(),
                                               .statistics = audit.statistics(),
                                               .pump = *pump_,
                                               .settings = needs_.settings.compliance,
                                               .privacy = privacy_.get(),
                                               .loopback_without_keys = needs_.loopback_without_keys});
    compliance::register_proof_routes(routes,
                                      {.proofs = audit.proofs(),
                                       .reader = audit.reader(),
                                       .verify_log = [&audit](auto keys) { return audit.verify(std::move(keys)); },
                                       .loopback_without_keys = needs_.loopback_without_keys});
    compliance::register_retention_routes(routes, {.retention = audit.retention(),
                                                   .holds = audit.holds(),
                                                   .privacy = privacy_.get(),
                                                   .loopback_without_keys = needs_.loopback_without_keys});
    compliance::register_report_routes(routes, {.clock = needs_.clock,
                                                .reader = audit.reader(),
                                                .history = audit.history(),
                                                .proofs = audit.proofs(),
                                                .holds = audit.holds(),
                                                .log_id = log_id,
                                                .retention = audit.retention().options().age,
                                                .drift = drift_.get(),
                                                .settings = needs_.settings.reports,
                                                .loopback_without_keys = needs_.loopback_without_keys});
    ingest_->register_routes(routes);
    if (vault_) compliance::register_erase_routes(routes, {.vault = *vault_});
    if (drift_) {
        compliance::register_drift_routes(routes, {.clock = needs_.clock,
                                                   .watch = *drift_,
                                                   .settings = needs_.settings.drift,
                                                   .loopback_without_keys = needs_.loopback_without_keys});
    }
    // Who reads the record is in it before he is answered, whatever the settings say of other answers.
    for (std::size_t i = before; i < routes.size(); ++i) {
        routes[i].answer_after = pipeline::AnswerAfter::kDurable;
        compliance::guard(routes[i], needs_.loopback_without_keys);
    }
}

std::vector<pipeline::LoopListener*> ComplianceAssembly::loop_listeners() {
    std::vector<pipeline::LoopListener*> listeners;
    if (drift_ && drift_->loop_listener() != nullptr) listeners.push_back(drift_->loop_listener());
    return listeners;
}

void ComplianceAssembly::declare_metrics(observe::Registry& registry) const {
    if (drift_) drift_->declare_metrics(registry);
    ingest_->declare_metrics(registry);
    using observe::MetricType;
    using observe::Samples;
    const auto of_privacy = [&](std::string name, std::string help, std::string rises,
                                std::uint64_t (*read)(const audit::privacy::PrivacyHealth&)) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter,
                          [this, read](Samples& out) { out.add({}, static_cast<double>(read(privacy_->health()))); });
    };
    of_privacy("tidegate_privacy_redacted_total", "Findings that were replaced before a record was written.",
               "Answers hold addresses, numbers of people or the like.",
               [](const auto& health) { return health.redacted; });
    of_privacy("tidegate_privacy_refused_total", "Records that could not be made safe; their callers got 503.",
               "Look at `privacy` in /health.", [](const auto& health) { return health.refused; });
    if (!vault_) return;
    of_privacy("tidegate_privacy_content_stored_total", "Parts of content sealed and stored.", "Content is kept.",
               [](const auto& health) { return health.vault ? health.vault->stored : 0; });
    of_privacy("tidegate_privacy_content_lost_total", "Parts of content that were dropped.",
               "privacy.when_full is drop and the disk is slow, or the store failed.",
               [](const auto& health) { return health.vault ? health.vault->lost : 0; });
}

bool ComplianceAssembly::is_degraded() const {
    const auto privacy = privacy_->health();
    return privacy.vault && privacy.vault->degraded;
}

void ComplianceAssembly::append_status(JsonWriter& writer) const {
    const auto privacy = privacy_->health();
    writer.key("privacy").begin_object();
    writer.field("records", privacy.records).field("redacted", privacy.redacted).field("refused", privacy.refused);
    if (privacy.vault) {
        const auto& vault = *privacy.vault;
        writer.key("content").begin_object();
        writer.field("degraded", vault.degraded).field("stored", vault.stored).field("lost", vault.lost);
        writer.field("waiting", vault.queue_parts).field("erasures", vault.erasures);
        if (!vault.reason.empty()) writer.field("last_failure", vault.reason);
        writer.end_object();
    }
    writer.end_object();
    if (!drift_) return;
    const compliance::DriftHealth drift = drift_->health();
    writer.key("drift").begin_object();
    writer.field("streams", drift.streams).field("alerts_live", drift.alerts_live);
    writer.field("position", drift.looked_at).field("waiting", drift.queued).field("missed", drift.missed);
    if (!drift.reason.empty()) writer.field("last_failure", drift.reason);
    writer.end_object();
}

void ComplianceAssembly::close_streams() {
    if (pump_) pump_->stop();
    if (drift_) drift_->close_streams();
}

void ComplianceAssembly::stop() {
    if (std::exchange(stopped_, true)) return;
    close_streams();
    if (ingest_) ingest_->stop_routes();
    if (drift_) drift_->stop();
    if (vault_) vault_->close();
}

void ComplianceAssembly::save() {
    if (std::exchange(saved_, true)) return;
    if (ingest_) ingest_->stop();
}

}  // namespace tidegate::app
