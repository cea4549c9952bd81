// The tables of the log in PostgreSQL, their partitions by month, and what a block's bytes are (docs/postgres.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/segments/bytes.h"
#include "audit/segments/format.h"
#include "audit/segments/keys.h"
#include "audit/segments/merkle.h"
#include "base/clock.h"
#include "base/result.h"

namespace tidegate::audit::postgres {

using segments::Bytes;
using segments::MerkleStack;

inline constexpr std::int64_t kFormat = 2;
inline constexpr std::string_view kBlocks = "audit_blocks";
inline constexpr std::string_view kRecent = "audit_recent";
inline constexpr std::string_view kErrors = "audit_errors";

/// 1 to 40 of a-z, 0-9 and `_`, no digit first: it goes into statements as it is.
Result<void> check_schema_name(std::string_view schema);
/// The lock of the one writer.
std::int64_t lock_key(std::string_view schema);

/// kInvalidArgument: of a log that another version has written.
Result<void> check_format(std::int64_t format);

/// `IF NOT EXISTS` throughout; the schema itself is there. `log_id`: of the log, if this makes it.
std::string create_tables(std::string_view schema, const segments::LogId& log_id);

/// A calendar month, UTC, counted from year 0.
struct Month {
    int number = 0;
    friend auto operator<=>(Month, Month) = default;

    Month next() const noexcept { return {number + 1}; }
    UnixMillis begin() const;
    UnixMillis end() const { return next().begin(); }
};
Month month_of(UnixMillis time);
/// `audit_recent_2026_03`.
std::string partition_name(std::string_view table, Month month);
/// The month of a name that partition_name() made of this table.
std::optional<Month> partition_month(std::string_view table, std::string_view name);
/// The month's partition of each table.
std::string create_partitions(std::string_view schema, Month month);

/// Peaks one after the other, largest first: how many there are follows from the size.
std::string encode_peaks(const MerkleStack& tree);
Result<MerkleStack> decode_peaks(std::uint64_t size, std::string_view peaks);

Result<segments::LogId> decode_log_id(std::string_view bytes);
/// Of the keys of names (segments::key_of()).
std::uint64_t seed_of(const segments::LogId& log_id) noexcept;
/// The keys one after the other, 8 bytes each, little-endian; none: more than 64 different ones, any may be there.
std::string encode_tenants(const segments::NameSet& tenants);
void add_tenants(segments::NameSet& into, std::string_view tenants);

/// CRC-32C of generation, first leaf and number of records (each 8 bytes, little-endian), and the payload.
std::uint32_t block_crc(std::uint64_t generation, std::uint64_t first_leaf, std::uint64_t records, Bytes payload);

}  // namespace tidegate::audit::postgres
