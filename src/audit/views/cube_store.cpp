#include "audit/views/cube_store.h"

#include <algorithm>

#include "audit/views/cube_schema.h"
#include "store/migrations.h"

namespace tidegate::audit {
namespace {

// What follows SELECT: where the latencies are not wanted they are not read, and a long row's are on pages of their own.
std::string select(bool with_steps, std::string_view where) {
    std::string out =
        "SELECT "
        "start,kind_id,decisions,confidences,confidence_micro,latency_us,latency_us_max,spend_milli,tokens,input_"
        "bytes,";
    out += with_steps ? "steps" : "x''";
    out += ",latencies,token_counts,input_sizes FROM cube_cells WHERE level=? AND ";
    return out.append(where);
}
constexpr std::string_view kRange = "start>=? AND start<?";
// Equal, not a range: so that the primary key finds the one row.
constexpr std::string_view kOne = "start=? AND kind_id=?";
constexpr std::string_view kSelectOfAll = "SELECT start,steps FROM cube_all WHERE level=? AND start>=? AND start<?";

// More look-ups of single cells than that cost more than reading all cells of the time.
constexpr std::size_t kLookUpsMax = 2'048;

std::int64_t number(Level level) noexcept {
    return static_cast<std::int64_t>(level);
}

// Sums wrap at 2^64; SQLite's integers are the same bits.
std::int64_t bits(std::uint64_t value) noexcept {
    return static_cast<std::int64_t>(value);
}

// Adds the current row of select().
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
    TG_CHECK(store::migrate(database, "audit_cube", kCubeMigrations, clock));
    std::unique_ptr<CubeStore> out(new CubeStore(std::move(database), kinds));
    TG_CHECK(out->read_kinds());
    TG_CHECK(out->make_of_all());
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
    TG_TRY(store::Statement row, database_.prepare("SELECT log_id,position,minutes_from FROM cube_state"));
    State state;
    TG_TRY(const bool found, row.step());
    if (!found) return state;
    if (row.blob(0).size() != state.log_id.size()) {
        return fail(ErrorCode::kDataLoss, "the statistics name no log");
    }
    std::ranges::copy(row.blob(0), state.log_id.begin());
    state.position = static_cast<std::uint64_t>(row.integer(1));
    state.minutes_from = row.integer(2);
    return state;
}

Result<void> CubeStore::wipe(const segments::LogId& log_id) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_CHECK(database_.execute("DELETE FROM cube_cells"));
    TG_CHECK(database_.execute("DELETE FROM cube_all"));
    TG_TRY(store::Statement insert, database_.prepare("INSERT OR REPLACE INTO cube_state VALUES(1,?,0,0)"));
    insert.bind(1, store::Blob(log_id));
    TG_CHECK(insert.run());
    return transaction.commit();
}

// Of a file that an older version has made.
Result<void> CubeStore::make_of_all() {
    TG_TRY(const std::int64_t missing, database_.integer("SELECT EXISTS(SELECT 1 FROM cube_cells) AND NOT EXISTS("
                                                         "SELECT 1 FROM cube_all)"));
    if (missing == 0) return {};
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement periods, database_.prepare("SELECT DISTINCT level,start FROM cube_cells"));
    TG_TRY(store::Statement cells, database_.prepare(select(true, kRange)));
    TG_TRY(store::Statement insert, database_.prepare("INSERT OR REPLACE INTO cube_all VALUES(?,?,?)"));
    for (;;) {
        TG_TRY(const bool period, periods.step());
        if (!period) break;
        const auto level = static_cast<Level>(periods.integer(0));
        const Minute start = periods.integer(1);
        SparseSteps all;
        cells.bind(1, number(level)).bind(2, start).bind(3, start + 1);
        for (;;) {
            TG_TRY(const bool row, cells.step());
            if (!row) break;
            TG_TRY(const std::uint32_t kind, kind_of(cells.integer(1)));
            if (kinds_.name(kind).record != RecordKind::kEvent) TG_CHECK(all.merge_encoded(cells.blob(10)));
        }
        cells.reset();
        TG_CHECK(put_of_all(insert, level, start, all));
    }
    return transaction.commit();
}

Result<void> CubeStore::load(Levels& levels) {
    for (const Level level : kLevels) {
        TG_TRY(const Minute before, load_cells(levels, level, Parts::kAll, kMinuteEnd));
        levels.set_steps_floor(level, before);
        if (before > levels.floor(level)) {
            TG_TRY(const Minute floor, load_cells(levels, level, Parts::kSums, before));
            levels.set_floor(level, floor);
        }
        TG_CHECK(load_of_all(levels, level));
    }
    TG_TRY(store::Statement row, database_.prepare("SELECT (SELECT min(start) FROM cube_cells WHERE level=1),"
                                                   "(SELECT max(start) FROM cube_cells WHERE level=1),"
                                                   "(SELECT max(start) FROM cube_cells WHERE level=0)"));
    TG_TRY(const bool found, row.step());
    if (!found || row.is_null(0)) return {};
    // Of an hour that has no minutes it is not known where in it the last record lies.
    const Minute last_hour = row.integer(1);
    const bool has_minutes = !row.is_null(2) && row.integer(2) >= last_hour;
    levels.note_minutes(row.integer(0), has_minutes ? row.integer(2) : last_hour + kHourMinutes - 1);
    return {};
}

// The periods before `before`, the newest first, until the level has enough. Gives the first that is whole here.
Result<Minute> CubeStore::load_cells(Levels& levels, Level level, Parts parts, Minute before) {
    TG_TRY(store::Statement rows, database_.prepare(select(parts == Parts::kAll, kRange) + " ORDER BY start DESC"));
    rows.bind(1, number(level)).bind(2, levels.floor(level)).bind(3, before);
    PeriodCells& cells = levels.loading(level);
    std::vector<std::pair<std::uint32_t, Cell>> gathered;  // Of the period that is being read.
    Minute gathering = -1;
    const auto add = [&] {
        std::vector<CellItem> items;
        for (const auto& [kind, cell] : gathered) items.push_back({gathering, kind, &cell});
        cells.merge(level, items, 0, parts == Parts::kAll ? 0 : kMinuteEnd);
        gathered.clear();
    };
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row || rows.integer(0) != gathering) {
            add();
            const bool enough = parts == Parts::kAll ? cells.step_bytes() > levels.steps_budget(level) / 2 ||
                                                           cells.bytes() > levels.budget(level) / 2
                                                     : cells.bytes() > levels.budget(level) / 2;
            if (row && enough && level != Level::kTotal) return gathering < 0 ? before : gathering;
        }
        if (!row) return levels.floor(level);
        gathering = rows.integer(0);
        TG_TRY(const std::uint32_t kind, kind_of(rows.integer(1)));
        TG_CHECK(merge_row(rows, gathered.emplace_back(kind, Cell{}).second));
    }
}

Result<void> CubeStore::load_of_all(Levels& levels, Level level) {
    TG_TRY(store::Statement rows, database_.prepare(kSelectOfAll));
    rows.bind(1, number(level)).bind(2, levels.floor(level)).bind(3, kMinuteEnd);
    StepsOfAll found;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) break;
        TG_CHECK(found[rows.integer(0)].merge_encoded(rows.blob(1)));
    }
    levels.loading(level).merge_of_all(level, found, 0);
    return {};
}

Result<std::uint64_t> CubeStore::position(store::Database& reader) {
    auto position = reader.integer("SELECT position FROM cube_state");
    if (!position && position.error().code != ErrorCode::kNotFound) return std::unexpected(position.error());
    return static_cast<std::uint64_t>(position.value_or(0));
}

Result<void> CubeStore::read(store::Database& reader, const Span& span, CellVisitor& visitor) const {
    const Minute period = end_of(span.level, span.from) - span.from;
    const auto periods = static_cast<std::size_t>((span.to - span.from + period - 1) / period);
    if (!visitor.wants_all() && span.level != Level::kTotal && periods <= kLookUpsMax) {
        const std::size_t max = kLookUpsMax / periods;
        const std::vector<std::int64_t> kinds = wanted(visitor, max + 1);
        if (kinds.size() <= max) return read_some(reader, span, kinds, visitor);
    }
    return read_range(reader, span, visitor);
}

// Numbers in the file of the kinds that are wanted; `max` of them at most.
std::vector<std::int64_t> CubeStore::wanted(CellVisitor& visitor, std::size_t max) const {
    std::vector<std::int64_t> out;
    const Lock lock(mutex_);
    for (std::size_t stored = 0; stored < kind_of_.size() && out.size() < max; ++stored) {
        if (visitor.wants(kind_of_[stored])) out.push_back(static_cast<std::int64_t>(stored));
    }
    return out;
}

Result<void> CubeStore::read_some(store::Database& reader, const Span& span, const std::vector<std::int64_t>& kinds,
                                  CellVisitor& visitor) const {
    TG_TRY(store::Statement row, reader.prepare(select(true, kOne)));
    for (Minute start = span.from; start < span.to; start = end_of(span.level, start)) {
        for (const std::int64_t stored : kinds) {
            row.bind(1, number(span.level)).bind(2, start).bind(3, stored);
            TG_TRY(const bool found, row.step());
            if (found) {
                TG_TRY(const std::uint32_t kind, kind_of(stored));
                Cell cell;
                TG_CHECK(merge_row(row, cell));
                visitor.add(start, kind, cell.sums);
                visitor.add_steps(kind, cell.steps);
            }
            row.reset();
        }
    }
    return {};
}

Result<void> CubeStore::read_range(store::Database& reader, const Span& span, CellVisitor& visitor) const {
    const bool all = visitor.wants_all();
    TG_TRY(store::Statement rows, reader.prepare(select(!all, kRange)));
    rows.bind(1, number(span.level)).bind(2, span.from).bind(3, span.to);
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) break;
        TG_TRY(const std::uint32_t kind, kind_of(rows.integer(1)));
        if (!visitor.wants(kind)) continue;
        Cell cell;
        TG_CHECK(merge_row(rows, cell));
        visitor.add(rows.integer(0), kind, cell.sums);
        if (!all) visitor.add_steps(kind, cell.steps);
    }
    if (!all) return {};
    TG_TRY(store::Statement of_all, reader.prepare(kSelectOfAll));
    of_all.bind(1, number(span.level)).bind(2, span.from).bind(3, span.to);
    for (;;) {
        TG_TRY(const bool row, of_all.step());
        if (!row) return {};
        SparseSteps steps;
        TG_CHECK(steps.merge_encoded(of_all.blob(1)));
        visitor.add_steps_of_all(steps);
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
                                   const Sums& sums, const SparseSteps& steps) {
    encoded_.clear();
    steps.encode(encoded_);
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

Result<void> CubeStore::add_stored(store::Statement& row, Level level, Minute start, std::uint32_t kind, Cell& cell) {
    row.reset();
    row.bind(1, number(level)).bind(2, start).bind(3, stored_of(kind));
    TG_TRY(const bool found, row.step());
    return found ? merge_row(row, cell) : Result<void>();
}

// The cells of a level that the unsaved minutes have changed.
Result<void> CubeStore::write_minutes(const Save& save, Level level) {
    TG_TRY(store::Statement insert,
           database_.prepare("INSERT OR REPLACE INTO cube_cells VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
    std::set<std::pair<Minute, std::uint32_t>> whole;
    std::map<std::pair<Minute, std::uint32_t>, Cell> parts;
    for (const auto& [minute, period] : save.unsaved.periods()) {
        if (level == Level::kMinute && minute < save.minutes_from) continue;
        const Minute start = start_of(level, minute);
        for (std::size_t i = 0; i < period.entries.size(); ++i) {
            const std::pair key(start, period.entries[i].kind);
            if (start >= save.levels.steps_floor(level)) {
                whole.insert(key);
            } else {
                parts[key].merge({period.entries[i].sums, period.steps[i]});
            }
        }
    }
    const PeriodCells& cells = save.levels.of(level);
    for (const auto& [start, kind] : whole) {
        const PeriodCells::Entry* const entry = cells.find(start, kind);
        const SparseSteps* const steps = cells.find_steps(start, kind);
        if (entry == nullptr || steps == nullptr) {
            return fail(ErrorCode::kInternal, "a cell of the statistics is missing");
        }
        TG_CHECK(write_cell(insert, level, start, kind, entry->sums, *steps));
    }
    TG_TRY(store::Statement stored, database_.prepare(select(true, kOne)));
    for (auto& [key, cell] : parts) {
        TG_CHECK(add_stored(stored, level, key.first, key.second, cell));
        TG_CHECK(write_cell(insert, level, key.first, key.second, cell.sums, cell.steps));
    }
    return {};
}

Result<void> CubeStore::write_of_all(const Save& save, Level level) {
    TG_TRY(store::Statement insert, database_.prepare("INSERT OR REPLACE INTO cube_all VALUES(?,?,?)"));
    TG_TRY(store::Statement stored, database_.prepare(kSelectOfAll));
    std::set<Minute> whole;
    std::map<Minute, SparseSteps> parts;
    for (const auto& [minute, period] : save.unsaved.periods()) {
        if (level == Level::kMinute && minute < save.minutes_from) continue;
        const Minute start = start_of(level, minute);
        if (start >= save.levels.floor(level)) {
            whole.insert(start);
        } else {
            parts[start].merge(period.of_all);
        }
    }
    for (const Minute start : whole) {
        const SparseSteps* const steps = save.levels.of(level).find_of_all(start);
        if (steps == nullptr) return fail(ErrorCode::kInternal, "latencies of the statistics are missing");
        TG_CHECK(put_of_all(insert, level, start, *steps));
    }
    for (auto& [start, steps] : parts) {
        stored.bind(1, number(level)).bind(2, start).bind(3, start + 1);
        TG_TRY(const bool found, stored.step());
        if (found) TG_CHECK(steps.merge_encoded(stored.blob(1)));
        stored.reset();
        TG_CHECK(put_of_all(insert, level, start, steps));
    }
    return {};
}

Result<void> CubeStore::put_of_all(store::Statement& insert, Level level, Minute start, const SparseSteps& steps) {
    encoded_.clear();
    steps.encode(encoded_);
    insert.bind(1, number(level)).bind(2, start).bind(3, store::Blob(encoded_));
    return insert.run();
}

// An hour of them at a time: a file of an older version may hold those of years.
Result<void> CubeStore::delete_minutes(Minute before) {
    for (const char* const table : {"cube_cells", "cube_all"}) {
        const std::string from = std::string(" FROM ") + table + " WHERE level=0";
        TG_TRY(store::Statement first, database_.prepare("SELECT min(start)" + from));
        TG_TRY(const bool found, first.step());
        if (!found || first.is_null(0)) continue;
        const Minute end = std::min(before, first.integer(0) + kHourMinutes);
        first.reset();
        TG_TRY(store::Statement rest, database_.prepare("DELETE" + from + " AND start<?"));
        rest.bind(1, end);
        TG_CHECK(rest.run());
    }
    return {};
}

Result<void> CubeStore::save(const Save& save) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(const std::uint64_t found, position(database_));
    if (found != save.from) {
        return fail(ErrorCode::kDataLoss, "another program has written to the file of the statistics");
    }
    for (const Level level : kLevels) {
        TG_CHECK(write_minutes(save, level));
        TG_CHECK(write_of_all(save, level));
    }
    TG_CHECK(delete_minutes(save.minutes_from));
    TG_CHECK(insert_kinds());
    TG_TRY(store::Statement update, database_.prepare("UPDATE cube_state SET position=?,minutes_from=?"));
    update.bind(1, bits(save.to)).bind(2, save.minutes_from);
    TG_CHECK(update.run());
    TG_CHECK(transaction.commit());
    const Lock lock(mutex_);
    inserted_ = kind_of_.size();
    return {};
}

}  // namespace tidegate::audit
