#include "audit/postgres/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "audit/segments/crc32c.h"
#include "base/hash.h"
#include "base/strings.h"

namespace tidegate::audit::postgres {
namespace {

// Exploded records: what people ask for. The block has the whole record.
constexpr std::string_view kColumns = R"(
    leaf int8 NOT NULL, recorded timestamptz NOT NULL, "time" timestamptz NOT NULL, id uuid NOT NULL, kind int2 NOT NULL,
    status text NOT NULL, tenant text NOT NULL, actor text NOT NULL, service text NOT NULL, operation text NOT NULL,
    model text NOT NULL, model_version text NOT NULL, band text NOT NULL, confidence float8, latency_us int8,
    request_id text NOT NULL, input_hash bytea NOT NULL, error text NOT NULL)";

std::string exploded(std::string_view schema, std::string_view table) {
    return fmt::format(
        "CREATE TABLE IF NOT EXISTS {0}.{1} ({2}) PARTITION BY RANGE (recorded);"
        "CREATE INDEX IF NOT EXISTS {1}_times ON {0}.{1} USING brin (recorded, \"time\");",
        schema, table, kColumns);
}

}  // namespace

Result<void> check_schema_name(std::string_view schema) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (schema.empty() || schema.size() > 40 || (schema[0] >= '0' && schema[0] <= '9') ||
        !std::ranges::all_of(schema, fits) || schema.starts_with("pg_")) {
        return fail(ErrorCode::kInvalidArgument,
                    "the log's schema is named with 1 to 40 of a-z, 0-9 and _, not beginning with a digit or pg_");
    }
    return {};
}

std::int64_t lock_key(std::string_view schema) {
    const Sha256 hash = sha256(fmt::format("tidegate audit log {}", schema));
    return segments::get<std::int64_t>(hash.data());
}

Result<void> check_format(std::int64_t format) {
    if (format == kFormat) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the log in the database has format {}, this program knows {}", format, kFormat));
}

std::string create_tables(std::string_view schema, const segments::LogId& log_id) {
    return fmt::format(R"(
CREATE TABLE IF NOT EXISTS {0}.audit_head (
    one bool PRIMARY KEY DEFAULT true CHECK (one), format int8 NOT NULL, log_id bytea NOT NULL, generation int8 NOT NULL,
    size int8 NOT NULL, peaks bytea NOT NULL, first_leaf int8 NOT NULL, first_peaks bytea NOT NULL);
INSERT INTO {0}.audit_head (format, log_id, generation, size, peaks, first_leaf, first_peaks)
    VALUES ({1}, '\x{3}', 0, 0, '', 0, '') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS {0}.{2} (
    recorded timestamptz NOT NULL, recorded_to timestamptz NOT NULL, generation int8 NOT NULL, first_leaf int8 NOT NULL,
    records int8 NOT NULL, time_from timestamptz NOT NULL, time_to timestamptz NOT NULL, tenants bytea NOT NULL,
    peaks bytea NOT NULL, crc int8 NOT NULL, payload bytea NOT NULL, PRIMARY KEY (first_leaf, recorded)) PARTITION BY RANGE (recorded);
CREATE INDEX IF NOT EXISTS {2}_times ON {0}.{2} USING brin (time_from, time_to) WITH (pages_per_range = 4);
)",
                       schema, kFormat, kBlocks, to_hex(log_id.data(), log_id.size())) +
           exploded(schema, kRecent) + exploded(schema, kErrors);
}

UnixMillis Month::begin() const {
    const std::chrono::year_month_day first{std::chrono::year(number / 12),
                                            std::chrono::month(static_cast<unsigned>(number % 12) + 1),
                                            std::chrono::day(1)};
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::sys_days(first).time_since_epoch())
        .count();
}

Month month_of(UnixMillis time) {
    const auto day = std::chrono::floor<std::chrono::days>(
        std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time)));
    const std::chrono::year_month_day date(day);
    return {static_cast<int>(date.year()) * 12 + static_cast<int>(static_cast<unsigned>(date.month())) - 1};
}

std::string partition_name(std::string_view table, Month month) {
    return fmt::format("{}_{:04}_{:02}", table, month.number / 12, month.number % 12 + 1);
}

std::optional<Month> partition_month(std::string_view table, std::string_view name) {
    if (name.size() != table.size() + 8 || !name.starts_with(table)) return std::nullopt;
    const auto year = parse_u64(name.substr(table.size() + 1, 4));
    const auto month = parse_u64(name.substr(table.size() + 6, 2));
    if (!year || !month || *month < 1 || *month > 12) return std::nullopt;
    return Month{static_cast<int>(*year * 12 + *month - 1)};
}

std::string create_partitions(std::string_view schema, Month month) {
    std::string statements;
    for (const std::string_view table : {kBlocks, kRecent, kErrors}) {
        statements += fmt::format(
            "CREATE TABLE IF NOT EXISTS {0}.{1} PARTITION OF {0}.{2} FOR VALUES FROM ('{3}') TO ('{4}');", schema,
            partition_name(table, month), table, format_rfc3339(month.begin()), format_rfc3339(month.end()));
    }
    return statements;
}

std::string encode_peaks(const MerkleStack& tree) {
    std::string bytes;
    for (const Sha256& peak : tree.peaks()) bytes += segments::text_of(peak);
    return bytes;
}

Result<MerkleStack> decode_peaks(std::uint64_t size, std::string_view peaks) {
    std::vector<Sha256> hashes(peaks.size() / sizeof(Sha256));
    if (peaks.size() % sizeof(Sha256) != 0) {
        return fail(ErrorCode::kDataLoss, "the peaks of the log's tree are cut");
    }
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        std::ranges::copy(segments::bytes_of(peaks.substr(i * sizeof(Sha256), sizeof(Sha256))), hashes[i].begin());
    }
    return MerkleStack::restore(size, hashes);
}

Result<segments::LogId> decode_log_id(std::string_view bytes) {
    segments::LogId id{};
    if (bytes.size() != id.size()) return fail(ErrorCode::kDataLoss, "the log in the database has no id");
    std::ranges::copy(segments::bytes_of(bytes), id.begin());
    return id;
}

std::uint64_t seed_of(const segments::LogId& log_id) noexcept {
    return segments::get<std::uint64_t>(log_id.data());
}

std::string encode_tenants(const segments::NameSet& tenants) {
    if (tenants.size() == segments::NameSet::kOverflowed) return {};
    std::string bytes(tenants.size() * sizeof(std::uint64_t), '\0');
    for (std::size_t i = 0; i < tenants.size(); ++i) {
        segments::put(reinterpret_cast<std::uint8_t*>(bytes.data()) + i * sizeof(std::uint64_t), tenants.hashes()[i]);
    }
    return bytes;
}

void add_tenants(segments::NameSet& into, std::string_view tenants) {
    if (tenants.empty()) into = segments::NameSet::restore(segments::NameSet::kOverflowed, {});
    const Bytes bytes = segments::bytes_of(tenants);
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
        into.add(segments::get<std::uint64_t>(bytes.data() + at));
    }
}

std::uint32_t block_crc(std::uint64_t generation, std::uint64_t first_leaf, std::uint64_t records, Bytes payload) {
    std::array<std::uint8_t, 24> head{};
    segments::put(head.data(), generation);
    segments::put(head.data() + 8, first_leaf);
    segments::put(head.data() + 16, records);
    return segments::crc32c(payload, segments::crc32c(head));
}

}  // namespace tidegate::audit::postgres
