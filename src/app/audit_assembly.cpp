#include "app/audit_assembly.h"

#include <filesystem>

#include "app/audit_database.h"
#include "audit/keep/log_key.h"
#include "audit/postgres/postgres_decision_log.h"
#include "audit/segment_decision_log.h"
#include "audit/sqlite_import.h"

namespace tidegate::app {

using audit::segments::Survives;
using audit::segments::SystemLogFolder;
using observe::MetricType;
using observe::Samples;

namespace {

bool in_database(const AppSettings& settings) {
    return settings.audit.store == "postgres";
}

audit::WhenFailing when_failing(const AppSettings& settings) {
    return settings.audit.when_failing == "go_on" ? audit::WhenFailing::kGoOn : audit::WhenFailing::kRefuse;
}

}  // namespace

std::string audit_folder(const AppSettings& settings) {
    if (!settings.audit.folder.empty()) return settings.audit.folder;
    return settings.process.data_dir + (in_database(settings) ? "/audit-postgres" : "/audit");
}

Result<std::unique_ptr<AuditAssembly>> AuditAssembly::open(const AuditNeeds& needs, const Others& others) {
    std::unique_ptr<AuditAssembly> made(new AuditAssembly(needs));
    TG_CHECK(made->open_log());
    TG_CHECK(made->open_followers());
    TG_CHECK(made->open_keepers(others));
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
    if (in_database(needs_.settings)) return open_database();
    const bool is_used =
        std::ranges::any_of(needs_.settings.services, [](const auto& one) { return one->uses_database(); });
    if (needs_.settings.database.url.is_set() && !is_used) {
        needs_.log.line(observe::Level::kWarn, "database_not_used")
            .field("reason", "database.url is set, audit.store is segments and no service asks for it");
    }
    return open_segments();
}

Result<void> AuditAssembly::open_segments() {
    const audit::AuditSettings& settings = needs_.settings.audit;
    audit::SegmentDecisionLogOptions options;
    options.segments.segment_bytes = settings.segment_bytes / 4096 * 4096;
    options.segments.batch_bytes_max = static_cast<std::size_t>(settings.batch_bytes_max);
    options.segments.batch_interval = settings.batch_interval;
    options.segments.queue_records_max = settings.queue_records_max;
    options.segments.queue_bytes_max = static_cast<std::size_t>(settings.queue_bytes_max);
    options.segments.spares_ahead = 1;  // With the one that is ready: a second of the fastest log.
    options.when_failing = when_failing(needs_.settings);
    const Survives survives = settings.durability == "disk" ? Survives::kPowerLoss : Survives::kProcess;
    auto folder = std::make_unique<SystemLogFolder>(audit_folder(needs_.settings), true, survives);
    auto log = audit::SegmentDecisionLog::open(std::move(folder), std::move(options), needs_.clock, needs_.random);
    if (!log) return fail(log.error().code, audit_folder(needs_.settings) + ": " + log.error().message);
    log_ = *std::move(log);
    return {};
}

// The records are in the database; the folder holds what is kept beside them.
Result<void> AuditAssembly::open_database() {
    const audit::AuditSettings& settings = needs_.settings.audit;
    TG_TRY(const LogDatabase database, log_database(needs_.settings));
    const std::string folder = audit_folder(needs_.settings);
    TG_CHECK(SystemDisk().make_directories(folder));
    std::error_code ignored;
    if (std::filesystem::exists(folder + "/" + std::string(audit::segments::kHeadName), ignored)) {
        return fail(ErrorCode::kConflict, "audit.store is postgres and audit.folder (" + folder +
                                              ") holds a log of segments: give the database's log another folder");
    }
    audit::postgres::PostgresLogOptions options;
    options.url = database.url;
    options.schema = database.schema;
    options.recent_days = static_cast<int>(needs_.settings.database.recent_days);
    options.batch_bytes_max = static_cast<std::size_t>(settings.batch_bytes_max);
    options.queue_records_max = settings.queue_records_max;
    options.queue_bytes_max = static_cast<std::size_t>(settings.queue_bytes_max);
    options.when_failing = when_failing(needs_.settings);
    auto log = audit::postgres::PostgresDecisionLog::open(std::move(options), needs_.clock, needs_.random);
    if (!log) return fail(log.error().code, "the record's database (database.url): " + log.error().message);
    log_ = *std::move(log);
    return {};
}

Result<audit::verify::Report> AuditAssembly::verify(std::vector<audit::verify::Key> keys) const {
    const audit::verify::Evidence evidence{
        .folder = audit_folder(needs_.settings), .keys = std::move(keys), .checkpoints = {}};
    if (!in_database(needs_.settings)) return audit::verify::verify_log(evidence);
    TG_TRY(const LogDatabase database, log_database(needs_.settings));
    return verify_database(database, evidence, needs_.clock);
}

Result<void> AuditAssembly::open_followers() {
    const audit::segments::LogId& id = log_->log_id();
    auto folder = std::make_unique<SystemLogFolder>(audit_folder(needs_.settings) + "/columns");
    TG_TRY(columns_, audit::Columns::open(std::move(folder), {}, reader(), id, kinds_));
    TG_CHECK(open_statistics());
    live_ = std::make_unique<audit::LiveFeed>(reader().end_leaf(), audit::LiveFeed::Options{});
    history_ = std::make_unique<audit::LogHistory>(reader(), *columns_, id);
    statistics_ = std::make_unique<audit::LiveStatistics>(*cube_);
    return {};
}

// A damaged file is put aside: the sums are counted again from the log.
Result<void> AuditAssembly::open_statistics() {
    const std::string path = audit_folder(needs_.settings) + "/statistics.db";
    const auto open = [&] {
        return audit::Cube::open({.path = path, .log_id = log_->log_id(), .log_end = reader().end_leaf()}, kinds_,
                                 needs_.clock);
    };
    auto cube = open();
    if (!cube && cube.error().code == ErrorCode::kDataLoss) {
        needs_.log.line(observe::Level::kWarn, "statistics_made_again")
            .field("path", path)
            .field("reason", cube.error().message)
            .field("kept_as", path + ".damaged");
        for (const std::string_view end : {"", "-wal", "-shm"}) {
            const std::string name = path + std::string(end);
            std::error_code error;
            std::filesystem::rename(name, name + ".damaged", error);
            if (error && error != std::errc::no_such_file_or_directory) {
                return fail(ErrorCode::kUnavailable, name + " is damaged and cannot be put aside: " + error.message());
            }
        }
        cube = open();
    }
    if (!cube) return fail(cube.error().code, path + ": " + cube.error().message);
    cube_ = *std::move(cube);
    return {};
}

Result<void> AuditAssembly::open_keepers(const Others& others) {
    const audit::keep::KeepSettings& settings = needs_.settings.keep;
    const audit::segments::LogId& id = log_->log_id();
    const std::string folder = audit_folder(needs_.settings);
    const std::string origin = settings.origin.empty() ? "tidegate/" + to_hex(id.data(), id.size()) : settings.origin;
    const std::string key_path =
        settings.signing_key.empty() ? needs_.settings.process.data_dir + "/checkpoint.key" : settings.signing_key;
    TG_TRY(audit::keep::LogKey key, audit::keep::open_log_key(key_path, origin));
    if (key.made) {
        needs_.log.line(observe::Level::kInfo, "checkpoint_key_made")
            .field("path", key_path)
            .field("verifier_key", key.key.verifier().to_text());
    }
    TG_TRY(proofs_,
           audit::keep::ProofKeeper::open(
               {.folder = folder, .interval = settings.checkpoint_interval, .records = settings.checkpoint_records},
               std::move(key.key), log_->store(), needs_.clock));
    TG_TRY(bus_, bus::Bus::open(needs_.settings.bus, {.data_dir = needs_.settings.process.data_dir,
                                                      .reader = reader(),
                                                      .log_id = id,
                                                      .clock = needs_.clock,
                                                      .random = needs_.random,
                                                      .log = needs_.log}));
    std::vector<audit::Follower*> followers{columns_.get(), cube_.get(), proofs_.get(), live_.get()};
    const audit::keep::ProofHealth proofs = proofs_->health();
    const bool is_short = proofs.refuses && proofs.signed_leaves > reader().end_leaf();
    TG_TRY(const std::vector<audit::Follower*> further, others(*log_, is_short));
    followers.insert(followers.end(), further.begin(), further.end());
    if (audit::Follower* shipper = bus_->follower()) followers.push_back(shipper);
    TG_CHECK(log_->follow(std::move(followers)));
    TG_CHECK(bus_->start());
    TG_TRY(holds_, audit::keep::Holds::open(needs_.database_path, needs_.clock));
    const audit::keep::RetentionOptions retention{.age = std::chrono::hours(24) * settings.retention_days,
                                                  .interval = settings.retention_interval};
    retention_ =
        std::make_unique<audit::keep::Retention>(retention, audit::keep::Retention::Parts{.store = log_->store(),
                                                                                          .log = *log_,
                                                                                          .proofs = *proofs_,
                                                                                          .holds = *holds_,
                                                                                          .clock = needs_.clock,
                                                                                          .random = needs_.random});
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
    if (bus_->is_on()) bus_->declare_metrics(registry);
    const auto of_proofs = [&](std::string name, std::string help, std::string rises, MetricType type,
                               double (*read)(const audit::keep::ProofHealth&)) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
                          [this, read](Samples& out) { out.add({}, read(proofs_->health())); });
    };
    of_proofs("tidegate_audit_checkpoints_total", "Checkpoints signed.", "The log grows.", MetricType::kCounter,
              [](const auto& health) { return static_cast<double>(health.checkpoints); });
    of_proofs("tidegate_audit_checkpoint_size", "Records under the newest checkpoint.", "The log grows.",
              MetricType::kGauge, [](const auto& health) { return static_cast<double>(health.signed_leaves); });
    of_proofs("tidegate_audit_checkpoint_failures_total", "Checkpoints that could not be signed or written.",
              "See `checkpoint` in /health.", MetricType::kCounter,
              [](const auto& health) { return static_cast<double>(health.failures); });
    const auto of_retention = [&](std::string name, std::string help, std::string rises,
                                  double (*read)(const audit::keep::RetentionHealth&)) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)},
                          MetricType::kCounter,
                          [this, read](Samples& out) { out.add({}, read(retention_->health())); });
    };
    of_retention("tidegate_audit_retention_dropped_total", "Records that retention has let go.",
                 "Records get older than audit.retention_days.",
                 [](const auto& health) { return static_cast<double>(health.records_dropped); });
    of_retention("tidegate_audit_retention_failures_total", "Passes of the retention that failed.",
                 "See the log and /health.", [](const auto& health) { return static_cast<double>(health.failures); });
}

bool AuditAssembly::is_degraded() const {
    const audit::LogHealth log = log_->health();
    const auto behind = [](const audit::FollowerHealth& one) { return one.behind; };
    return std::ranges::any_of(log.followers, behind) || proofs_->health().degraded || bus_->is_degraded();
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
    const audit::keep::ProofHealth proofs = proofs_->health();
    writer.key("checkpoint").begin_object();
    writer.field("size", proofs.signed_leaves).field("signed", proofs.checkpoints).field("degraded", proofs.degraded);
    if (proofs.signed_at > 0) writer.field("time", format_rfc3339(proofs.signed_at));
    if (!proofs.reason.empty()) writer.field("reason", proofs.reason);
    writer.end_object();
    if (bus_->is_on()) {
        writer.key("kafka");
        bus_->append_status(writer);
    }
}

void AuditAssembly::stop() {
    if (std::exchange(stopped_, true)) return;
    if (retention_) retention_->stop();
    if (bus_) bus_->stop();
    if (log_) log_->close();
    if (proofs_) proofs_->stop();
}

}  // namespace tidegate::app
