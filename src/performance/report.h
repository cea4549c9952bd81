// Report: a period of the stored samples, told: as JSON, as a page that can be printed, as Markdown.
//
// Guarantee   Every number was measured or computed from measured ones by the method named beside it. What cannot be said is null (JSON)
//             or `-`, with the reason.
// Threads     Pure functions, but for make_report(), which reads the store: from a pool.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "performance/analysis.h"
#include "performance/health.h"

namespace tidegate::performance {

/// `90m`, `24h`, `7d`, `4w`: one minute to 366 days; kInvalidArgument says what is wrong.
Result<Duration> parse_period(std::string_view text);

struct Report {
    std::string version;  // Of the program.
    std::string asked;    // The period, as it was asked for.
    UnixMillis made = 0;
    Period now;
    std::optional<Period> before;
    std::string no_comparison;  // Why nothing is compared; empty: it is.
    std::vector<Trend> trends;
    std::vector<Comparison> comparisons;
    std::vector<SlowRoute> slowest;  // Into `now`.
    Capacity capacity;
    std::vector<SlowStatement> slow_statements;
    HealthReport health;
};

struct ReportNeeds {
    SampleStore& store;
    const Health& health;
    std::string_view version;
    double cpu_percent_max = 80;
};
/// The period that ends now.
Result<std::unique_ptr<const Report>> make_report(const ReportNeeds& needs, std::string asked, Duration length,
                                                  UnixMillis now);

std::string to_json(const Report& report);
std::string to_html(const Report& report);
std::string to_markdown(const Report& report);

// Pieces of it that other answers hold too.
void append_times(JsonWriter& writer, const Distribution& times);                 // An object, or null.
void append_stages(JsonWriter& writer, const Sample& sample);                     // An array.
void append_routes(JsonWriter& writer, const Sample& sample, std::size_t limit);  // An array.
void append_trends(JsonWriter& writer, const std::vector<Trend>& trends);
void append_points(JsonWriter& writer, const Period& period);
void append_health(JsonWriter& writer, const HealthReport& health);  // Members: `state`, `judged_at`, `metrics`.
void append_span(JsonWriter& writer, const Period& period);          // An object.

}  // namespace tidegate::performance
