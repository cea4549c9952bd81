#include "audit/keep/holds.h"

#include "store/migrations.h"

namespace tidegate::audit::keep {
namespace {

constexpr store::Migration kMigrations[] = {
    {1, "legal holds",
     "CREATE TABLE legal_holds("
     "id INTEGER PRIMARY KEY AUTOINCREMENT,"
     "reason TEXT NOT NULL,"
     "tenant TEXT NOT NULL,"
     "from_ms INTEGER,"
     "to_ms INTEGER,"
     "placed_by TEXT NOT NULL,"
     "placed_ms INTEGER NOT NULL,"
     "released_by TEXT NOT NULL DEFAULT '',"
     "released_ms INTEGER) STRICT;"
     "CREATE INDEX legal_holds_active ON legal_holds(id) WHERE released_ms IS NULL"},
};

constexpr std::string_view kSelect =
    "SELECT id,reason,tenant,from_ms,to_ms,placed_by,placed_ms,released_by,released_ms FROM legal_holds ";

std::optional<UnixMillis> time_at(const store::Statement& row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional<UnixMillis>(row.integer(column));
}

Hold hold_of(const store::Statement& row) {
    return {.id = row.integer(0),
            .reason = std::string(row.text(1)),
            .tenant = std::string(row.text(2)),
            .from = time_at(row, 3),
            .to = time_at(row, 4),
            .placed_by = std::string(row.text(5)),
            .placed = row.integer(6),
            .released_by = std::string(row.text(7)),
            .released = time_at(row, 8)};
}

}  // namespace

Holds::Holds(store::Database database, const Clock& clock) : clock_(clock), database_(std::move(database)) {}

Result<std::unique_ptr<Holds>> Holds::open(const std::string& path, const Clock& clock) {
    TG_TRY(store::Database database, store::Database::open({.path = path}));
    TG_CHECK(store::migrate(database, "audit_keep", kMigrations, clock));
    return std::unique_ptr<Holds>(new Holds(std::move(database), clock));
}

Result<Hold> Holds::place(Hold hold) {
    const Lock lock(mutex_);
    TG_TRY(const std::int64_t active, database_.integer("SELECT count(*) FROM legal_holds WHERE released_ms IS NULL"));
    if (active >= static_cast<std::int64_t>(kActiveMax)) {
        return fail(ErrorCode::kResourceExhausted, "there are too many legal holds; release some");
    }
    hold.placed = clock_.unix_ms();
    TG_TRY(store::Statement insert,
           database_.prepare("INSERT INTO legal_holds(reason,tenant,from_ms,to_ms,placed_by,placed_ms) "
                             "VALUES(?,?,?,?,?,?)"));
    insert.bind(1, std::string_view(hold.reason)).bind(2, std::string_view(hold.tenant)).bind(3, hold.from);
    insert.bind(4, hold.to).bind(5, std::string_view(hold.placed_by)).bind(6, hold.placed);
    TG_CHECK(insert.run());
    hold.id = database_.last_insert_rowid();
    hold.released.reset();
    hold.released_by.clear();
    return hold;
}

Result<Hold> Holds::release(std::int64_t id, const std::string& by) {
    const Lock lock(mutex_);
    TG_TRY(Hold hold, find_locked(id));
    if (!hold.active()) return fail(ErrorCode::kConflict, "the hold has been released already");
    hold.released = clock_.unix_ms();
    hold.released_by = by;
    TG_TRY(store::Statement update,
           database_.prepare("UPDATE legal_holds SET released_ms=?,released_by=? WHERE id=? AND released_ms IS NULL"));
    update.bind(1, *hold.released).bind(2, std::string_view(hold.released_by)).bind(3, id);
    TG_CHECK(update.run());
    return hold;
}

Result<Hold> Holds::find(std::int64_t id) const {
    const Lock lock(mutex_);
    return find_locked(id);
}

Result<Hold> Holds::find_locked(std::int64_t id) const {
    TG_TRY(store::Statement select, database_.prepare(std::string(kSelect) + "WHERE id=?"));
    select.bind(1, id);
    TG_TRY(const bool row, select.step());
    if (!row) return fail(ErrorCode::kNotFound, "there is no such hold");
    return hold_of(select);
}

Result<std::vector<Hold>> Holds::list(const HoldQuery& query) const {
    const Lock lock(mutex_);
    std::string sql(kSelect);
    sql += "WHERE (?1=0 OR id<?1) AND (?2 IS NULL OR tenant=?2)";
    if (query.active_only) sql += " AND released_ms IS NULL";
    sql += " ORDER BY id DESC LIMIT ?3";
    TG_TRY(store::Statement select, database_.prepare(sql));
    select.bind(1, query.before).bind(3, static_cast<std::int64_t>(query.limit));
    if (query.tenant) {
        select.bind(2, std::string_view(*query.tenant));
    } else {
        select.bind_null(2);
    }
    std::vector<Hold> holds;
    for (;;) {
        TG_TRY(const bool row, select.step());
        if (!row) return holds;
        holds.push_back(hold_of(select));
    }
}

}  // namespace tidegate::audit::keep
