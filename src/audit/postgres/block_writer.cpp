#include "audit/postgres/block_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace tidegate::audit::postgres {
namespace {

using store::postgres_time;
using store::PostgresLink;
using store::PostgresRows;
using store::PostgresValues;

std::string session_name(std::string_view name, Random& random) {
    // 63 bytes are kept by the server.
    return fmt::format("{} {:016x}", name.substr(0, 40), random.next_u64());
}

segments::LogId make_log_id(Random& random) {
    segments::LogId id{};
    for (std::size_t at = 0; at < id.size(); at += 8) segments::put(id.data() + at, random.next_u64());
    return id;
}

}  // namespace

BlockWriter::BlockWriter(BlockWriterOptions options, const Clock& clock, Random& random)
    : options_(std::move(options)),
      clock_(clock),
      new_id_(make_log_id(random)),
      session_(session_name(options_.name, random)) {}

Result<void> BlockWriter::connect() {
    link_.reset();
    store::PostgresOptions to;
    to.url = options_.url;
    to.application_name = session_;
    to.patience = options_.patience + options_.lock_patience;
    TG_TRY(link_, PostgresLink::connect(to, clock_));
    TG_CHECK(link_->run("SET synchronous_commit = on; SET timezone = 'UTC'"));
    // Half the disk for little work, where the server was built with it: pglz, the default, takes ten times as long.
    if (auto set = link_->run("SET default_toast_compression = 'lz4'"); !set && link_->broken()) {
        return std::unexpected(std::move(set).error());
    }
    return check_server();
}

Result<void> BlockWriter::check_server() {
    TG_TRY(const PostgresRows rows,
           link_->run("SELECT current_setting('fsync') = 'on', pg_is_in_recovery()", PostgresValues()));
    if (rows.integer(0, 1) != 0) return fail(ErrorCode::kUnavailable, "the database is a standby: it takes no records");
    if (rows.integer(0, 0) == 0) {
        return fail(ErrorCode::kInvalidArgument,
                    "the database runs with fsync off: what it acknowledges may be lost, so it cannot hold the log");
    }
    return {};
}

Result<void> BlockWriter::take_lock() {
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(options_.lock_patience).count();
    TG_CHECK(link_->run(fmt::format("SET lock_timeout = {}", std::max<std::int64_t>(1, wait))));
    PostgresValues key;
    key.add(lock_key(options_.schema));
    if (auto taken = link_->run("SELECT pg_advisory_lock($1::int8)", key); !taken) {
        return std::unexpected(taken.error().code == ErrorCode::kConflict ? lock_holder() : std::move(taken).error());
    }
    TG_CHECK(link_->run("SET lock_timeout = 0"));
    return {};
}

Error BlockWriter::lock_holder() {
    PostgresValues key;
    key.add(lock_key(options_.schema));
    // The server keeps the key of 8 bytes in two halves.
    const auto rows = link_->run(
        "SELECT coalesce(a.application_name, '?'), l.pid FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (l.classid::int8 << 32 | l.objid::int8) = $1::int8",
        key);
    const std::string who = rows && rows->size() > 0 ? fmt::format("`{}`, process {} of the database",
                                                                   rows->bytes(0, 0), rows->integer(0, 1))
                                                     : "gone in this moment";
    return {ErrorCode::kConflict,
            fmt::format("the log in schema {} has another writer ({}): a log has one", options_.schema, who)};
}

Result<void> BlockWriter::make_tables() {
    PostgresValues name;
    name.add(std::string_view(options_.schema));
    TG_TRY(const PostgresRows there, link_->run("SELECT 1::int8 FROM pg_namespace WHERE nspname = $1::text", name));
    // Only then: asking for it needs the right to create even where it is there.
    if (there.size() == 0) TG_CHECK(link_->run("CREATE SCHEMA " + options_.schema));
    const std::string head = options_.schema + ".audit_head";
    PostgresValues table;
    table.add(std::string_view(head));
    TG_TRY(const PostgresRows made, link_->run("SELECT to_regclass($1::text) IS NOT NULL", table));
    // Not a table of a log that another version has written.
    if (made.integer(0, 0) != 0) TG_CHECK(read_head());
    TG_CHECK(link_->run(create_tables(options_.schema, new_id_)));
    return {};
}

Result<BlockWriter::Head> BlockWriter::read_head() {
    const std::string table = " FROM " + options_.schema + ".audit_head";
    TG_TRY(const PostgresRows format, link_->run("SELECT format" + table, PostgresValues()));
    if (format.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    TG_CHECK(check_format(format.integer(0, 0)));
    TG_TRY(const PostgresRows rows,
           link_->run("SELECT log_id, generation, size, peaks, first_leaf" + table, PostgresValues()));
    if (rows.size() != 1) return fail(ErrorCode::kDataLoss, "the log in the database has no head");
    Head head;
    TG_TRY(head.log_id, decode_log_id(rows.bytes(0, 0)));
    head.generation = static_cast<std::uint64_t>(rows.integer(0, 1));
    TG_TRY(head.tree, decode_peaks(static_cast<std::uint64_t>(rows.integer(0, 2)), rows.bytes(0, 3)));
    head.first_leaf = static_cast<std::uint64_t>(rows.integer(0, 4));
    return head;
}

// The head is what writes go by; that the block before it is there and agrees is looked at once, at the start.
Result<void> BlockWriter::check_last_block() {
    TG_TRY(const PostgresRows rows, link_->run("SELECT generation, first_leaf, records, peaks, crc, payload FROM " +
                                                   options_.schema + ".audit_blocks ORDER BY first_leaf DESC LIMIT 1",
                                               PostgresValues()));
    const auto number = [&rows](int column) { return static_cast<std::uint64_t>(rows.integer(0, column)); };
    const std::uint64_t end = rows.size() == 0 ? 0 : number(1) + number(2);
    if (end != tree_.size() || (end != 0 && rows.bytes(0, 3) != encode_peaks(tree_))) {
        return fail(
            ErrorCode::kDataLoss,
            fmt::format("the log's head in the database says {} records, its last block {}", tree_.size(), end));
    }
    if (end != 0 && block_crc(number(0), number(1), number(2), segments::bytes_of(rows.bytes(0, 5))) != number(4)) {
        return fail(ErrorCode::kDataLoss, fmt::format("the log's block at leaf {} is damaged", number(1)));
    }
    return {};
}

Result<void> BlockWriter::open() {
    TG_CHECK(check_schema_name(options_.schema));
    TG_CHECK(connect());
    TG_CHECK(take_lock());
    TG_CHECK(make_tables());
    TG_TRY(const PostgresRows begun,
           link_->run("UPDATE " + options_.schema + ".audit_head SET generation = generation + 1", PostgresValues()));
    TG_TRY(const Head head, read_head());
    generation_ = head.generation;
    log_id_ = head.log_id;
    first_leaf_ = head.first_leaf;
    tree_ = in_doubt_ = head.tree;
    TG_CHECK(check_last_block());
    const Month now = month_of(clock_.unix_ms());
    for (const Month month : {now, now.next()}) {
        TG_CHECK(link_->run(create_partitions(options_.schema, month)));
        months_.insert(month);
    }
    return {};
}

Result<void> BlockWriter::reconnect() {
    auto again = take_up();
    if (!again) link_.reset();
    return again;
}

Result<void> BlockWriter::take_up() {
    TG_CHECK(connect());
    // An earlier session of ours that the server still serves: nobody reads its answers any more.
    PostgresValues session;
    session.add(std::string_view(session_));
    TG_CHECK(
        link_->run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name = $1::text AND pid <> pg_backend_pid()",
                   session));
    TG_CHECK(take_lock());
    TG_TRY(const Head head, read_head());
    // Another writer's blocks may stand on ours: whether the one in doubt is among them, its reader can say; we go on with nothing.
    if (head.generation != generation_) {
        return fail(ErrorCode::kConflict,
                    fmt::format("the log in schema {} has had another writer since (generation {}, this one's is {})",
                                options_.schema, head.generation, generation_));
    }
    if (head.tree != tree_ && head.tree != in_doubt_) {
        return fail(ErrorCode::kDataLoss,
                    fmt::format("the database has {} records of the log, and {} were acknowledged", head.tree.size(),
                                tree_.size()));
    }
    tree_ = in_doubt_ = head.tree;
    // One may have been dropped beside us, and that it is missed is why we are here.
    months_.clear();
    return {};
}

Result<void> BlockWriter::ping() {
    if (link_ == nullptr)
        return fail(ErrorCode::kUnavailable, "the database cannot be reached: the connection was lost");
    auto answered = link_->run("SELECT 1");
    if (answered) return {};
    link_.reset();
    return std::unexpected(std::move(answered).error());
}

Result<void> BlockWriter::make_partitions(const Block& block) {
    for (const Month month : block.months) {
        for (const Month needed : {month, month.next()}) {
            if (months_.contains(needed)) continue;
            TG_CHECK(link_->run(create_partitions(options_.schema, needed)));
            months_.insert(needed);
        }
    }
    return {};
}

Result<void> BlockWriter::send(const Block& block) {
    TG_CHECK(make_partitions(block));
    TG_CHECK(link_->run("BEGIN"));
    const std::string peaks = encode_peaks(block.after);
    const std::string tenants = encode_tenants(block.zone.tenants);
    const std::uint32_t crc = block_crc(generation_, block.first_leaf, block.records, block.payload);
    PostgresValues values;
    values.add(static_cast<std::int64_t>(block.end()))
        .add(std::string_view(peaks))
        .add(static_cast<std::int64_t>(block.first_leaf))
        .add(static_cast<std::int64_t>(generation_))
        .add(postgres_time(block.zone.recorded_min))
        .add(static_cast<std::int64_t>(block.records))
        .add(postgres_time(block.zone.time_min))
        .add(postgres_time(block.zone.time_max))
        .add(std::int64_t{crc})
        .add(segments::text_of(block.payload))
        .add(postgres_time(block.zone.recorded_max))
        .add(std::string_view(tenants));
    TG_TRY(
        const PostgresRows moved,
        link_->run(fmt::format("WITH moved AS (UPDATE {0}.audit_head SET size = $1::int8, peaks = $2::bytea"
                               " WHERE size = $3::int8 AND generation = $4::int8 RETURNING 1)"
                               " INSERT INTO {0}.audit_blocks (recorded, generation, first_leaf, records, time_from,"
                               " time_to, peaks, crc, payload, recorded_to, tenants) SELECT $5::timestamptz, $4::int8,"
                               " $3::int8, $6::int8, $7::timestamptz, $8::timestamptz, $2::bytea, $9::int8, $10::bytea,"
                               " $11::timestamptz, $12::bytea FROM moved",
                               options_.schema),
                   values));
    if (moved.affected() != 1) {
        return fail(ErrorCode::kConflict, "the log's head in the database has been moved by somebody else");
    }
    TG_CHECK(
        link_->copy(fmt::format("COPY {}.{} FROM STDIN (FORMAT binary)", options_.schema, kRecent), block.recent_rows));
    if (block.error_rows.empty()) return {};
    return link_->copy(fmt::format("COPY {}.{} FROM STDIN (FORMAT binary)", options_.schema, kErrors),
                       block.error_rows);
}

Commit BlockWriter::commit(const Block& block, Error& error) {
    if (link_ == nullptr) {
        error = {ErrorCode::kUnavailable, "the database cannot be reached: the connection was lost"};
        return Commit::kFailed;
    }
    if (auto sent = send(block); !sent) {
        // What was begun ends with the session.
        error = std::move(sent).error();
        link_.reset();
        return Commit::kFailed;
    }
    in_doubt_ = block.after;
    auto committed = link_->run("COMMIT");
    if (committed && committed->command() == "COMMIT") {
        tree_ = block.after;
        return Commit::kDone;
    }
    // Even a plain error may come after the commit has become durable here, such as from a wait for a standby.
    error =
        committed ? Error{ErrorCode::kInternal, "the database rolled the block back"} : std::move(committed).error();
    link_.reset();
    return Commit::kUnknown;
}

}  // namespace tidegate::audit::postgres
