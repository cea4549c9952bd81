#include "app/audit_assembly.h"

#include "audit/sqlite_import.h"

namespace tidegate::app {

using audit::segments::Survives;
using audit::segments::SystemLogFolder;
using observe::MetricType;
using observe::Samples;

std::string audit_folder(const AppSettings& settings) {
    return settings.audit.folder.empty() ? settings.process.data_dir + "/audit" : settings.audit.folder;
}

Result<std::unique_ptr<AuditAssembly>> AuditAssembly::open(const AuditNeeds& needs,
                                                           std::vector<audit::Follower*> others) {
    std::unique_ptr<AuditAssembly> made(new AuditAssembly(needs));
    TG_CHECK(made->open_log());
    TG_CHECK(made->open_followers());
    TG_CHECK(made->open_keepers(std::move(others)));
    TG_TRY(const std::uint64_t imported, audit::import_sqlite(needs.database_path, *made->log_, needs.clock));
    if (imported > 0) {
        needs.log.line(observe::Level::kInfo, "decisions_taken_over")
            .field("from", needs.database_path)
            .field("decisions", imported);
    }
    return made;
}

AuditAssembly::~AuditAssembly() {
    stop();
}

Result<void> AuditAssembly::open_log() {
    const audit::AuditSettings& settings = needs_.settings.audit;
    audit::SegmentDecisionLogOptions options;
    options.segments.segment_bytes = settings.segment_bytes / 4096 * 4096;
    options.segments.batch_bytes_max = static_cast<std::size_t>(settings.batch_bytes_max);
    options.segments.batch_interval = settings.batch_interval;
    options.segments.queue_records_max = settings.queue_records_max;
    options.segments.queue_bytes_max = static_cast<std::size_t>(settings.queue_bytes_max);
    options.segments.spares_ahead = 1;  // With the one that is ready: a second of the fastest log.
    options.when_failing = settings.when_failing == "go_on" ? audit::WhenFailing::kGoOn : audit::WhenFailing::kRefuse;
    const Survives survives = settings.durability == "disk" ? Survives::kPowerLoss : Survives::kProcess;
    auto folder = std::make_unique<SystemLogFolder>(audit_folder(needs_.settings), true, survives);
    auto log = audit::SegmentDecisionLog::open(std::move(folder), std::move(options), needs_.clock, needs_.random);
    if (!log) return fail(log.error().code, audit_folder(needs_.settings) + ": " + log.error().message);
    log_ = *std::move(log);
    return {};
}

Result<void> AuditAssembly::open_followers() {
    const audit::segments::LogId& id = log_->segments().log_id();
    auto folder = std::make_unique<SystemLogFolder>(audit_folder(needs_.settings) + "/columns");
    TG_TRY(columns_, audit::Columns::open(std::move(folder), {}, reader(), id, kinds_));
    TG_TRY(cube_, audit::Cube::open({.path = audit_folder(needs_.settings) + "/statistics.db", .log_id = id, .log_end = reader().end_leaf()}, kinds_,
                                    needs_.clock));
    live_ = std::make_unique<audit::LiveFeed>(reader().end_leaf(), audit::LiveFeed::Options{});
    history_ = std::make_unique<audit::LogHistory>(reader(), *columns_, id);
    statistics_ = std::make_unique<audit::LiveStatistics>(*cube_);
    return {};
}

Result<void> AuditAssembly::open_keepers(std::vector<audit::Follower*> others) {
    std::vector<audit::Follower*> followers{columns_.get(), cube_.get(), live_.get()};
    followers.insert(followers.end(), others.begin(), others.end());
    TG_CHECK(log_->follow(std::move(followers)));
    return {};
}

void AuditAssembly::declare_metrics(observe::Registry& registry) const {
    registry.callback({.name = "tidegate_audit_view_behind",
                       .help = "1 while a view of the record has failed and is to be given again what it misses.",
                       .labels = {"view"},
                       .when_it_rises = "See `views` in /health; look at the disk of the data folder."},
                      MetricType::kGauge, [this](Samples& out) {
                          for (const auto& one : log_->health().followers) out.add({one.name}, one.behind ? 1.0 : 0.0);
                      });
}

bool AuditAssembly::is_degraded() const {
    const audit::LogHealth log = log_->health();
    const auto behind = [](const audit::FollowerHealth& one) { return one.behind; };
    return std::ranges::any_of(log.followers, behind);
}

void AuditAssembly::append_status(JsonWriter& writer) const {
    const audit::LogHealth log = log_->health();
    if (!log.note.empty()) writer.field("note", log.note);
    writer.key("views").begin_array();
    for (const audit::FollowerHealth& one : log.followers) {
        writer.begin_object().field("name", one.name).field("position", one.position).field("behind", one.behind);
        if (!one.reason.empty()) writer.field("last_failure", one.reason);
        writer.end_object();
    }
    writer.end_array();
}

void AuditAssembly::stop() {
    if (std::exchange(stopped_, true)) return;
    if (log_) log_->close();
}

}  // namespace tidegate::app
