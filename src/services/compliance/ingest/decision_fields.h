// The fields of a decision from elsewhere as the API's document shows them, and what their reader fills in.
#pragma once

#include <optional>
#include <string_view>

#include "base/hash.h"
#include "pipeline/schema.h"

namespace tidegate::compliance::ingest {

inline constexpr std::string_view kSourceDefault = "external";
inline constexpr std::string_view kOperationDefault = "decision";
/// As audit::check() has it.
inline constexpr std::size_t kOutputBytesMax = 4 * 1024 * 1024;

/// Of a decision, for the API's document. Says less than read_decision() checks: what it says is true.
pipeline::Schema decision_schema();

/// 64 hex digits of either case.
std::optional<Sha256> parse_sha256_hex(std::string_view text) noexcept;

}  // namespace tidegate::compliance::ingest
