// The tables of the log, and how a Decision lies in them.
//
// decisions One row a Decision. `seq` is the order of the log, without a gap; `id` sorts by time. kinds What many
// Decisions share: tenant, service, operation, model, version, band, status, cache state. A row of decisions holds the
// number only: it is narrow, and a filter becomes a set of numbers. hours Sums by hour and kind, kept in the same
// transaction as the rows they sum (audit/rollup.h).
//
// Indexes (id), unique: look-up by id and the order of history. (kind_id, id): a filtered page costs its own rows only.
// Both grow at few right edges, since ids ascend; measured cost: bench/results/audit_append.json.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>

#include "audit/decision.h"
#include "base/clock.h"
#include "store/migrations.h"
#include "store/sqlite.h"

namespace tidegate::audit {

/// The steps, oldest first.
std::span<const store::Migration> log_migrations() noexcept;
/// Brings the file to our version of the schema.
Result<void> migrate_log(store::Database& database, const Clock& clock);

/// The shared part of a Decision. The texts of a Kind read from the table live in KindTable.
struct Kind {
    std::string tenant;
    std::string service;
    std::string operation;
    std::string model;
    std::string model_version;
    std::string band;
    Status status = Status::kSuccess;
    CacheState cache = CacheState::kBypass;
};

/// All kinds by number: a few hundred, read in one go.
using KindTable = std::unordered_map<std::int64_t, Kind>;
Result<KindTable> read_kinds(store::Database& database);

/// One text for each kind, to find its number by: fields with their lengths before them.
void append_kind_key(std::string& out, const Decision& decision);
std::string kind_key(const Kind& kind);
Result<void> insert_kind(store::Database& database, std::int64_t kind_id, const Decision& decision);

inline constexpr std::string_view kInsertDecision =
    "INSERT INTO "
    "decisions(seq,id,kind_id,request_id,actor,input_hash,input_size,output,confidence,error,latency_us,"
    "stages,"
    "spend_milli,tokens,trace_id,tags) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING";

/// What the statement points at until it has run.
struct RowTexts {
    std::string stages;
    std::string tags;
};
void bind_decision(store::Statement& insert, std::int64_t seq, std::int64_t kind_id, const Decision& decision,
                   RowTexts& texts);

inline constexpr std::string_view kSelectColumns =
    "id,kind_id,request_id,actor,input_hash,input_size,output,confidence,error,latency_us,stages,spend_"
    "milli,tokens,"
    "trace_id,tags";
/// The current row of a SELECT of kSelectColumns. kDataLoss: a value that we never write.
Result<Decision> read_decision(const store::Statement& row, const KindTable& kinds);

}  // namespace tidegate::audit
