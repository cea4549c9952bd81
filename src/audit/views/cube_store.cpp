#include "audit/views/cube_store.h"

#include <algorithm>

#include "store/migrations.h"

namespace tidegate::audit {
namespace {

constexpr std::array<store::Migration, 2> kMigrations{{
    {.version = 1, .name = "cells of the statistics", .sql = R"sql(
CREATE TABLE cube_state(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  log_id BLOB NOT NULL,
  position INTEGER NOT NULL
) STRICT;
CREATE TABLE cube_kinds(
  kind_id INTEGER PRIMARY KEY,
  record INTEGER NOT NULL, status INTEGER NOT NULL, cache INTEGER NOT NULL,
  tenant TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, model TEXT NOT NULL, model_version TEXT NOT NULL,
  band TEXT NOT NULL
) STRICT;
CREATE TABLE cube_cells(
  level INTEGER NOT NULL,
  start INTEGER NOT NULL,
  kind_id INTEGER NOT NULL,
  decisions INTEGER NOT NULL,
  confidences INTEGER NOT NULL,
  confidence_micro INTEGER NOT NULL,
  latency_us INTEGER NOT NULL,
  latency_us_max INTEGER NOT NULL,
  spend_milli INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  input_bytes INTEGER NOT NULL,
  steps BLOB NOT NULL,
  PRIMARY KEY(level, start, kind_id)
) STRICT, WITHOUT ROWID;
)sql"},
    // Up to then every record stated all of its figures.
    {.version = 2, .name = "how many stated a latency, tokens, an input size", .sql = R"sql(
ALTER TABLE cube_cells ADD COLUMN latencies INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cube_cells ADD COLUMN token_counts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cube_cells ADD COLUMN input_sizes INTEGER NOT NULL DEFAULT 0;
UPDATE cube_cells SET latencies = decisions, token_counts = decisions, input_sizes = decisions;
)sql"},
}};

constexpr std::string_view kSelect =
    "SELECT "
    "start,kind_id,decisions,confidences,confidence_micro,latency_us,latency_us_max,spend_milli,tokens,input_bytes,"
    "steps,latencies,token_counts,input_sizes FROM cube_cells WHERE level=? AND start>=? AND start<?";

std::int64_t number(Level level) noexcept {
    return static_cast<std::int64_t>(level);
}

// Sums wrap at 2^64; SQLite's integers are the same bits.
std::int64_t bits(std::uint64_t value) noexcept {
    return static_cast<std::int64_t>(value);
}

// Adds the current row of kSelect.
Result<void> merge_row(const store::Statement& row, Cell& cell) {
    const auto at = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
    cell.sums.merge({.count = at(2),
                     .confidences = at(3),
                     .confidence_micro = at(4),
                     .latencies = at(11),
                     .latency_us = at(5),
                     .latency_us_max = at(6),
                     .spend_milli = at(7),
                     .token_counts = at(12),
                     .tokens = at(8),
                     .input_sizes = at(13),
                     .input_bytes = at(9)});
    return cell.steps.merge_encoded(row.blob(10));
}

template <class E>
bool in_range(std::int64_t value, E first, E last) {
    return value >= static_cast<std::int64_t>(first) && value <= static_cast<std::int64_t>(last);
}

}  // namespace

Result<std::unique_ptr<CubeStore>> CubeStore::open(const CubeStoreOptions& options, Kinds& kinds, const Clock& clock) {
    // What a loss of power takes back is counted again from the log: no sync at each commit.
    TG_TRY(
        store::Database database,
        store::Database::open({.path = options.path, .synchronous = store::Synchronous::kNormal, .vfs = options.vfs}));
    TG_CHECK(store::migrate(database, "audit_cube", kMigrations, clock));
    std::unique_ptr<CubeStore> out(new CubeStore(std::move(database), kinds));
    TG_CHECK(out->read_kinds());
    return out;
}

Result<void> CubeStore::read_kinds() {
    TG_TRY(store::Statement rows,
           database_.prepare("SELECT kind_id,record,status,cache,tenant,service,operation,model,model_version,band "
                             "FROM cube_kinds ORDER BY kind_id"));
    const Lock lock(mutex_);
    kind_of_.clear();
    stored_.clear();
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) break;
        const auto next = static_cast<std::int64_t>(kind_of_.size());
        if (rows.integer(0) != next || !in_range(rows.integer(1), RecordKind::kDecision, RecordKind::kEvent) ||
            !in_range(rows.integer(2), Status::kSuccess, Status::kCancelled) ||
            !in_range(rows.integer(3), CacheState::kBypass, CacheState::kStale)) {
            return fail(ErrorCode::kDataLoss, "a stored kind of the statistics cannot be read");
        }
        const std::uint32_t kind = kinds_.intern(KindName{.record = static_cast<RecordKind>(rows.integer(1)),
                                                          .status = static_cast<Status>(rows.integer(2)),
                                                          .cache = static_cast<CacheState>(rows.integer(3)),
                                                          .tenant = std::string(rows.text(4)),
                                                          .service = std::string(rows.text(5)),
                                                          .operation = std::string(rows.text(6)),
                                                          .model = std::string(rows.text(7)),
                                                          .model_version = std::string(rows.text(8)),
                                                          .band = std::string(rows.text(9))});
        kind_of_.push_back(kind);
        if (kind >= stored_.size()) stored_.resize(std::size_t{kind} + 1, -1);
        stored_[kind] = next;
    }
    inserted_ = kind_of_.size();
    return {};
}

Result<CubeStore::State> CubeStore::state() {
    TG_TRY(store::Statement row, database_.prepare("SELECT log_id,position FROM cube_state"));
    State state;
    TG_TRY(const bool found, row.step());
    if (!found) return state;
    if (row.blob(0).size() != state.log_id.size()) {
        return fail(ErrorCode::kDataLoss, "the statistics name no log");
    }
    std::ranges::copy(row.blob(0), state.log_id.begin());
    state.position = static_cast<std::uint64_t>(row.integer(1));
    return state;
}

Result<void> CubeStore::wipe(const segments::LogId& log_id) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_CHECK(database_.execute("DELETE FROM cube_cells"));
    TG_TRY(store::Statement insert, database_.prepare("INSERT OR REPLACE INTO cube_state VALUES(1,?,0)"));
    insert.bind(1, store::Blob(log_id));
    TG_CHECK(insert.run());
    return transaction.commit();
}

Result<void> CubeStore::load(Levels& levels) {
    for (const Level level : kLevels) TG_CHECK(load_level(levels, level));
    TG_TRY(store::Statement row, database_.prepare("SELECT (SELECT min(start) FROM cube_cells WHERE level=0),"
                                                   "(SELECT max(start) FROM cube_cells WHERE level=0)"));
    TG_TRY(const bool found, row.step());
    if (found && !row.is_null(0)) levels.note_minutes(row.integer(0), row.integer(1));
    return {};
}

Result<void> CubeStore::load_level(Levels& levels, Level level) {
    TG_TRY(store::Statement rows, database_.prepare(std::string(kSelect) + " ORDER BY start DESC"));
    rows.bind(1, number(level)).bind(2, Minute{0}).bind(3, kMinuteEnd);
    PeriodCells& cells = levels.loading(level);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        const Minute start = rows.integer(0);
        TG_TRY(const std::uint32_t kind, kind_of(rows.integer(1)));
        Cell cell;
        TG_CHECK(merge_row(rows, cell));
        cells.merge(start, kind, cell);
        if (cells.bytes() > levels.budget(level) / 2) {
            levels.set_floor(level, end_of(level, start));  // This period may not be whole.
            return {};
        }
    }
}

Result<std::uint64_t> CubeStore::position(store::Database& reader) {
    auto position = reader.integer("SELECT position FROM cube_state");
    if (!position && position.error().code != ErrorCode::kNotFound) return std::unexpected(position.error());
    return static_cast<std::uint64_t>(position.value_or(0));
}

Result<void> CubeStore::read(store::Database& reader, const Span& span, CellVisitor& visitor) const {
    TG_TRY(store::Statement rows, reader.prepare(kSelect));
    rows.bind(1, number(span.level)).bind(2, span.from).bind(3, span.to);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return {};
        TG_TRY(const std::uint32_t kind, kind_of(rows.integer(1)));
        if (!visitor.wants(kind)) continue;
        Cell cell;
        TG_CHECK(merge_row(rows, cell));
        visitor.add(rows.integer(0), kind, cell);
    }
}

Result<std::uint32_t> CubeStore::kind_of(std::int64_t stored) const {
    const Lock lock(mutex_);
    if (stored < 0 || static_cast<std::size_t>(stored) >= kind_of_.size()) {
        return fail(ErrorCode::kDataLoss, "the stored statistics name an unknown kind");
    }
    return kind_of_[static_cast<std::size_t>(stored)];
}

std::int64_t CubeStore::stored_of(std::uint32_t kind) {
    if (kind >= stored_.size()) stored_.resize(std::size_t{kind} + 1, -1);
    if (stored_[kind] < 0) {
        const Lock lock(mutex_);
        stored_[kind] = static_cast<std::int64_t>(kind_of_.size());
        kind_of_.push_back(kind);
    }
    return stored_[kind];
}

// A number once given stays; a transaction that failed leaves it to be inserted by the next.
Result<void> CubeStore::insert_kinds() {
    TG_TRY(store::Statement insert, database_.prepare("INSERT INTO cube_kinds VALUES(?,?,?,?,?,?,?,?,?,?)"));
    std::vector<std::uint32_t> fresh;
    {
        const Lock lock(mutex_);
        fresh.assign(kind_of_.begin() + static_cast<std::ptrdiff_t>(inserted_), kind_of_.end());
    }
    for (const std::uint32_t kind : fresh) {
        const KindName& name = kinds_.name(kind);
        insert.bind(1, stored_[kind]).bind(2, static_cast<std::int64_t>(name.record));
        insert.bind(3, static_cast<std::int64_t>(name.status)).bind(4, static_cast<std::int64_t>(name.cache));
        int column = 5;
        for (const std::string* text :
             {&name.tenant, &name.service, &name.operation, &name.model, &name.model_version, &name.band}) {
            insert.bind(column++, std::string_view(*text));
        }
        TG_CHECK(insert.run());
    }
    return {};
}

Result<void> CubeStore::write_cell(store::Statement& insert, Level level, Minute start, std::uint32_t kind,
                                   const Cell& cell) {
    encoded_.clear();
    cell.steps.encode(encoded_);
    const Sums& sums = cell.sums;
    insert.bind(1, number(level)).bind(2, start).bind(3, stored_of(kind));
    int column = 4;
    for (const std::uint64_t value : {sums.count, sums.confidences, sums.confidence_micro, sums.latency_us,
                                      sums.latency_us_max, sums.spend_milli, sums.tokens, sums.input_bytes}) {
        insert.bind(column++, bits(value));
    }
    insert.bind(column++, store::Blob(encoded_));
    for (const std::uint64_t value : {sums.latencies, sums.token_counts, sums.input_sizes}) {
        insert.bind(column++, bits(value));
    }
    return insert.run();
}

Result<void> CubeStore::add_stored(Level level, Minute start, std::uint32_t kind, Cell& cell) {
    TG_TRY(store::Statement row, database_.prepare(std::string(kSelect) + " AND kind_id=?"));
    row.bind(1, number(level)).bind(2, start).bind(3, start + 1).bind(4, stored_of(kind));
    TG_TRY(const bool found, row.step());
    return found ? merge_row(row, cell) : Result<void>();
}

// The cells of a level that the unsaved minutes have changed.
Result<void> CubeStore::write_minutes(const Save& save, Level level) {
    TG_TRY(store::Statement insert,
           database_.prepare("INSERT OR REPLACE INTO cube_cells VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
    std::set<std::pair<Minute, std::uint32_t>> whole;
    PeriodCells parts;
    for (const auto& [minute, kinds] : save.unsaved.periods()) {
        const Minute start = start_of(level, minute);
        for (const auto& [kind, cell] : kinds) {
            if (save.levels.holds(level, start)) {
                whole.emplace(start, kind);
            } else {
                parts.merge(start, kind, cell);
            }
        }
    }
    for (const auto& [start, kind] : whole) {
        const Cell* const cell = save.levels.of(level).find(start, kind);
        if (cell == nullptr) return fail(ErrorCode::kInternal, "a cell of the statistics is missing");
        TG_CHECK(write_cell(insert, level, start, kind, *cell));
    }
    for (const auto& [start, kinds] : parts.periods()) {
        for (const auto& [kind, part] : kinds) {
            Cell cell = part;
            TG_CHECK(add_stored(level, start, kind, cell));
            TG_CHECK(write_cell(insert, level, start, kind, cell));
        }
    }
    return {};
}

Result<void> CubeStore::save(const Save& save) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(const std::uint64_t found, position(database_));
    if (found != save.from) {
        return fail(ErrorCode::kDataLoss, "another program has written to the file of the statistics");
    }
    for (const Level level : kLevels) TG_CHECK(write_minutes(save, level));
    TG_CHECK(insert_kinds());
    TG_TRY(store::Statement update, database_.prepare("UPDATE cube_state SET position=?"));
    update.bind(1, bits(save.to));
    TG_CHECK(update.run());
    TG_CHECK(transaction.commit());
    const Lock lock(mutex_);
    inserted_ = kind_of_.size();
    return {};
}

}  // namespace tidegate::audit
