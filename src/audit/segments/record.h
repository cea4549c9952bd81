// The canonical bytes of a Decision: what is hashed, stored and proved (docs/audit-format.md, "Record").
//
// Guarantee   One Decision with one recorded time is one byte string, and decode() takes nothing else: encode(decode(b)) == b
//             for every b that it takes.
// Memory      encode() writes into the caller's buffer; decode() points into the caller's bytes. Neither allocates.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "audit/decision.h"
#include "audit/segments/bytes.h"
#include "base/result.h"

namespace tidegate::audit::segments {

/// Longest record: an output of 4 MiB, an error of 4 KiB, 64 stages and tags with their longest names.
inline constexpr std::size_t kRecordBytesMax = 4U * 1024 * 1024 + 64U * 1024;

/// A record taken apart; valid as long as its bytes.
struct RecordView {
    UnixMillis recorded = 0;  // The server's own clock when it took the record.
    Uuid id;
    observe::TraceId trace_id{};
    Sha256 input_hash{};
    std::uint64_t input_size = 0;
    std::optional<double> confidence;
    std::int64_t latency_us = 0;
    std::int64_t spend_milli = 0;
    std::int64_t tokens = 0;
    bool input_size_stated = true;  // False: nobody knows it, and it is 0. So for the others.
    bool latency_stated = true;
    bool tokens_stated = true;
    RecordKind kind = RecordKind::kDecision;
    Status status = Status::kSuccess;
    CacheState cache = CacheState::kBypass;
    std::uint8_t stage_count = 0;
    std::uint8_t tag_count = 0;
    std::string_view request_id, tenant, actor, service, operation, model, model_version, band, error, output;
    Bytes lists;  // Stages, then tags.
};

/// A record with its Decision owned.
struct Record {
    std::uint64_t leaf = 0;
    UnixMillis recorded = 0;
    Decision decision;
};

/// Of a Decision that check() accepts.
std::size_t encoded_size(const Decision& decision) noexcept;
/// Writes exactly encoded_size() bytes to `out` (so many at least must be there). The Decision has passed check(),
/// `recorded` is 0 or later: a broken promise ends the process.
void encode(const Decision& decision, UnixMillis recorded, std::span<std::uint8_t> out) noexcept;

/// kDataLoss names what is wrong.
Result<RecordView> decode(Bytes record);
/// Calls visit(name, value) for each tag, in their order.
void each_tag(const RecordView& view, const std::function<void(std::string_view, std::string_view)>& visit);
/// The value of the tag of that name, without making a Decision of it.
std::optional<std::string_view> tag_of(const RecordView& view, std::string_view name) noexcept;
Decision to_decision(const RecordView& view);

}  // namespace tidegate::audit::segments
