// Statistics: counts, means and latency over a window, computed from the hourly sums kept with the log.
//
// Guarantee   Every figure comes from committed Decisions: counts, sums and means are exact for the window that is
//             reported back; latency quantiles are within 1.6 % (log-linear steps, 32 a power of two), max is exact.
// Window      Rounded outwards to whole hours UTC; the reply says which.
// Threads     Any worker thread; each call borrows a connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/views/reader_pool.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/points.h"
#include "base/result.h"

namespace tidegate::audit {

struct StatisticsQuery {
    UnixMillis from = 0;  // Inclusive.
    UnixMillis to = 0;    // Exclusive; after `from`. StatisticsView: at most 400 days from it.
    std::optional<std::string> tenant;
    std::optional<std::string> service;
    // Of LiveStatistics only.
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
    std::uint64_t count = 0;
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
    std::uint64_t events = 0;  // Records of the log that are no decisions; in no other figure.
    std::uint64_t input_bytes = 0;
    std::optional<double> confidence_mean;  // Absent when no Decision stated one.
    LatencySummary latency;
    std::uint64_t tokens = 0;
    Points spend_points;
    std::vector<DayCount> timeline;  // Every day of the window, also the empty ones, oldest first.
};

class StatisticsView {
  public:
    explicit StatisticsView(std::shared_ptr<ReaderPool> pool) : pool_(std::move(pool)) {}
    /// kInvalidArgument: an empty or too long window.
    Result<Statistics> read(const StatisticsQuery& query) const;

  private:
    std::shared_ptr<ReaderPool> pool_;
};

/// The members of API.md's statistics reply.
void append_json(JsonWriter& writer, const Statistics& statistics);

}  // namespace tidegate::audit
