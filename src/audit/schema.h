// The tables that decisions lay in before the segment log: what audit/sqlite_import.h reads.
//
// decisions   One row a Decision. `seq` is the order of the log, without a gap.
// kinds       What many Decisions share; a row of decisions holds its number.
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

inline constexpr std::string_view kSelectColumns =
    "id,kind_id,request_id,actor,input_hash,input_size,output,confidence,error,latency_us,stages,spend_"
    "milli,tokens,"
    "trace_id,tags";
/// The current row of a SELECT of kSelectColumns. kDataLoss: a value that we never write.
Result<Decision> read_decision(const store::Statement& row, const KindTable& kinds);

}  // namespace tidegate::audit
