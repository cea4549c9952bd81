#include "audit/schema.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/json.h"
#include "store/migrations.h"

namespace tidegate::audit {
namespace {

constexpr std::array<store::Migration, 2> kMigrations{{
    {.version = 1, .name = "decisions, kinds, hours", .sql = R"sql(
CREATE TABLE kinds(
  kind_id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, model TEXT NOT NULL, model_version TEXT NOT NULL,
  band TEXT NOT NULL, status INTEGER NOT NULL, cache INTEGER NOT NULL
) STRICT;
CREATE TABLE decisions(
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  kind_id INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  input_hash BLOB NOT NULL,
  input_size INTEGER NOT NULL,
  output TEXT NOT NULL,
  confidence REAL,
  error TEXT NOT NULL,
  latency_us INTEGER NOT NULL,
  stages TEXT NOT NULL,
  spend_points INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  trace_id BLOB,
  tags TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX decisions_id ON decisions(id);
CREATE INDEX decisions_kind ON decisions(kind_id, id);
CREATE TABLE hours(
  hour INTEGER NOT NULL,
  kind_id INTEGER NOT NULL,
  decisions INTEGER NOT NULL,
  confidences INTEGER NOT NULL,
  confidence_sum REAL NOT NULL,
  latency_sum_us INTEGER NOT NULL,
  latency_max_us INTEGER NOT NULL,
  spend_points INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  latency BLOB NOT NULL,
  PRIMARY KEY(hour, kind_id)
) STRICT, WITHOUT ROWID;
)sql"},
    {.version = 2, .name = "spend in thousandths", .sql = R"sql(
ALTER TABLE decisions RENAME COLUMN spend_points TO spend_milli;
ALTER TABLE hours RENAME COLUMN spend_points TO spend_milli;
UPDATE decisions SET spend_milli = spend_milli * 1000 WHERE spend_milli <> 0;
UPDATE hours SET spend_milli = spend_milli * 1000 WHERE spend_milli <> 0;
)sql"},
}};

constexpr std::int64_t kStatusMax = static_cast<std::int64_t>(Status::kCancelled);
constexpr std::int64_t kCacheMax = static_cast<std::int64_t>(CacheState::kStale);

Result<void> read_object(std::string_view text, const std::function<bool(std::string_view, json::Value)>& take) {
    if (text.empty()) return {};
    const auto document = json::parse(text);
    bool sound = document.has_value() && document->root().kind() == json::Kind::kObject;
    if (sound) {
        document->root().each_member(
            [&](std::string_view name, json::Value value) { sound = sound && take(name, value); });
    }
    if (!sound) return fail(ErrorCode::kDataLoss, "a stored decision has stages or tags that cannot be read");
    return {};
}

template <class Array>
bool copy_blob(store::Blob bytes, Array& out) {
    if (bytes.size() != out.size()) return false;
    std::ranges::copy(bytes, out.begin());
    return true;
}

}  // namespace

std::span<const store::Migration> log_migrations() noexcept {
    return kMigrations;
}

Result<void> migrate_log(store::Database& database, const Clock& clock) {
    TG_CHECK(store::migrate(database, "audit", kMigrations, clock));
    return {};
}

Result<KindTable> read_kinds(store::Database& database) {
    TG_TRY(store::Statement rows,
           database.prepare("SELECT kind_id,tenant,service,operation,model,model_version,band,status,"
                            "cache FROM kinds"));
    KindTable kinds;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return kinds;
        const std::int64_t status = rows.integer(7);
        const std::int64_t cache = rows.integer(8);
        if (status < 0 || status > kStatusMax || cache < 0 || cache > kCacheMax) {
            return fail(ErrorCode::kDataLoss, "a stored kind of decision cannot be read");
        }
        Kind kind{.tenant = std::string(rows.text(1)),
                  .service = std::string(rows.text(2)),
                  .operation = std::string(rows.text(3)),
                  .model = std::string(rows.text(4)),
                  .model_version = std::string(rows.text(5)),
                  .band = std::string(rows.text(6)),
                  .status = static_cast<Status>(status),
                  .cache = static_cast<CacheState>(cache)};
        kinds.emplace(rows.integer(0), std::move(kind));
    }
}

Result<Decision> read_decision(const store::Statement& row, const KindTable& kinds) {
    Decision decision;
    const auto kind = kinds.find(row.integer(1));
    const bool blobs = copy_blob(row.blob(0), decision.id.bytes) && copy_blob(row.blob(4), decision.input_hash) &&
                       (row.is_null(13) || copy_blob(row.blob(13), decision.trace_id));
    if (!blobs || kind == kinds.end()) return fail(ErrorCode::kDataLoss, "a stored decision cannot be read");
    const Kind& shared = kind->second;
    decision.tenant = shared.tenant;
    decision.service = shared.service;
    decision.operation = shared.operation;
    decision.model = shared.model;
    decision.model_version = shared.model_version;
    decision.band = shared.band;
    decision.status = shared.status;
    decision.cache = shared.cache;
    decision.request_id = row.text(2);
    decision.actor = row.text(3);
    decision.input_size = static_cast<std::uint64_t>(row.integer(5));
    decision.output = row.text(6);
    if (!row.is_null(7)) decision.confidence = row.real(7);
    decision.error = row.text(8);
    decision.latency_us = row.integer(9);
    decision.spend_points = Points{row.integer(11)};
    decision.tokens = row.integer(12);
    // The server wrote this log itself and measured size and latency of each answer; tokens that nobody counted stood there as 0.
    decision.tokens_stated = decision.tokens != 0;
    TG_CHECK(read_object(row.text(10), [&](std::string_view name, json::Value value) {
        if (!value.is_integer()) return false;
        decision.stages.push_back({std::string(name), value.as_int()});
        return true;
    }));
    TG_CHECK(read_object(row.text(14), [&](std::string_view name, json::Value value) {
        if (value.kind() != json::Kind::kString) return false;
        decision.tags.push_back({std::string(name), std::string(value.as_string())});
        return true;
    }));
    return decision;
}

}  // namespace tidegate::audit
