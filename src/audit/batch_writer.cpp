#include "audit/batch_writer.h"

#include <algorithm>

namespace tidegate::audit {
namespace {

store::OpenOptions open_options(const SqliteLogOptions& options) {
    return {.path = options.path,
            .synchronous =
                options.durability == Durability::kDisk ? store::Synchronous::kFull : store::Synchronous::kNormal,
            .wal_autocheckpoint_pages = 0,
            .vfs = options.vfs};
}

}  // namespace

BatchWriter::BatchWriter(store::Database database, store::Statement insert, store::Statement undo, Rollup rollup)
    : database_(std::move(database)), insert_(std::move(insert)), undo_(std::move(undo)), rollup_(std::move(rollup)) {}

Result<std::unique_ptr<BatchWriter>> BatchWriter::open(const SqliteLogOptions& options, const Clock& clock,
                                                       bool check) {
    TG_TRY(store::Database database, store::Database::open(open_options(options)));
    if (check) TG_CHECK(database.quick_check());
    TG_CHECK(migrate_log(database, clock));
    TG_TRY(store::Statement insert, database.prepare(kInsertDecision));
    TG_TRY(store::Statement undo, database.prepare("DELETE FROM decisions WHERE seq>=?"));
    TG_TRY(Rollup rollup, Rollup::open(database));
    std::unique_ptr<BatchWriter> writer(
        new BatchWriter(std::move(database), std::move(insert), std::move(undo), std::move(rollup)));
    TG_CHECK(writer->load());
    return writer;
}

Result<void> BatchWriter::load() {
    TG_TRY(const std::int64_t last, database_.integer("SELECT coalesce(max(seq),0) FROM decisions"));
    next_seq_ = last + 1;
    TG_TRY(const KindTable kinds, read_kinds(database_));
    for (const auto& [id, kind] : kinds) {
        kinds_.emplace(kind_key(kind), id);
        next_kind_ = std::max(next_kind_, id + 1);
    }
    return {};
}

Result<void> BatchWriter::checkpoint() {
    TG_CHECK(database_.passive_checkpoint());
    return {};
}

Result<void> BatchWriter::probe() {
    // SQLite writes the header page and commits it, whatever the value was before; nobody reads this number.
    return database_.execute("PRAGMA user_version=0");
}

Result<std::int64_t> BatchWriter::kind_id(const Decision& decision) {
    key_.clear();
    append_kind_key(key_, decision);
    if (const auto found = kinds_.find(key_); found != kinds_.end()) return found->second;
    TG_CHECK(insert_kind(database_, next_kind_, decision));
    kinds_.emplace(key_, next_kind_);
    return next_kind_++;
}

Result<bool> BatchWriter::insert_group(const Group& group) {
    const std::int64_t first_seq = next_seq_;
    std::vector<std::int64_t> kinds;
    kinds.reserve(group.size());
    for (const Decision& decision : group) {
        TG_TRY(const std::int64_t kind, kind_id(decision));
        bind_decision(insert_, next_seq_, kind, decision, texts_);
        TG_CHECK(insert_.run());
        if (database_.changes() == 0) {
            undo_.bind(1, first_seq);
            TG_CHECK(undo_.run());
            next_seq_ = first_seq;
            return false;
        }
        kinds.push_back(kind);
        ++next_seq_;
    }
    for (std::size_t i = 0; i < group.size(); ++i) TG_CHECK(rollup_.add(group[i], kinds[i]));
    return true;
}

Result<std::vector<Result<void>>> BatchWriter::write(std::span<const Group* const> groups) {
    std::vector<Result<void>> outcomes;
    outcomes.reserve(groups.size());
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    for (const Group* group : groups) {
        TG_TRY(const bool inserted, insert_group(*group));
        outcomes.push_back(inserted ? Result<void>{} : fail(ErrorCode::kConflict, "the log has this decision already"));
    }
    TG_CHECK(rollup_.write());
    TG_CHECK(transaction.commit());
    return outcomes;
}

}  // namespace tidegate::audit
