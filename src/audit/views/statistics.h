// Statistics: what is asked of counts, means and latency over a window, and what is answered (audit/views/live_statistics.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/points.h"
#include "base/result.h"

namespace tidegate::audit {

struct StatisticsQuery {
    UnixMillis from = 0;  // Inclusive.
    UnixMillis to = 0;    // Exclusive; after `from`.
    std::optional<std::string> tenant;
    std::optional<std::string> service;
    std::optional<std::string> model = {};
    std::optional<std::string> operation = {};
    bool timeline = true;
};

struct Count {
    std::string name;
    std::uint64_t count = 0;
    friend bool operator==(const Count&, const Count&) = default;
};

struct LatencySummary {
    std::uint64_t count = 0;  // Decisions that state a latency: what the rest is made of.
    double mean_ms = 0;
    double p50_ms = 0;
    double p90_ms = 0;
    double p95_ms = 0;
    double p99_ms = 0;
    double p999_ms = 0;
    double max_ms = 0;
};

struct DayCount {
    UnixMillis day = 0;  // Midnight UTC.
    std::uint64_t total = 0;
    std::uint64_t errors = 0;  // Any status but success.
    std::vector<Count> by_band;
    std::optional<double> confidence_mean;
};

struct Statistics {
    UnixMillis from = 0;  // The window that was counted.
    UnixMillis to = 0;
    std::uint64_t total = 0;
    std::vector<Count> by_status;  // Each list: the largest first.
    std::vector<Count> by_band;
    std::vector<Count> by_service;
    std::vector<Count> by_operation;
    std::vector<Count> by_content_type;
    std::vector<Count> by_model;  // LiveStatistics only, as are events and input_bytes.
    std::vector<Count> by_model_version;
    std::vector<Count> by_cache;
    // Decisions of kinds beyond the number that is kept (views/kinds.h) that the filter may mean: in no other figure.
    std::uint64_t unassigned = 0;
    std::uint64_t events = 0;  // Records of the log that are no decisions; in no other figure.
    // Sums over the Decisions that state such a figure; absent where there are Decisions and none of them does.
    std::optional<std::uint64_t> input_bytes;
    std::optional<std::uint64_t> tokens;
    std::optional<double> confidence_mean;  // Absent when no Decision stated one.
    LatencySummary latency;
    Points spend_points;
    std::vector<DayCount> timeline;  // Every day of the window, also the empty ones, oldest first.
};

/// The members of API.md's statistics reply.
void append_json(JsonWriter& writer, const Statistics& statistics);
/// The members of API.md's compliance statistics: `total_requests`, `by_status`, `by_source`, `avg_processing_time_ms`,
/// `latency{count, p50, p95, p99, p999, max}` (milliseconds), `total_tokens_used`, and what else is known. null where nothing was
/// counted.
void append_compliance_json(JsonWriter& writer, const Statistics& statistics);

}  // namespace tidegate::audit
