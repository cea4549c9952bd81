#include "performance/report.h"

#include <algorithm>

#include "base/strings.h"

namespace tidegate::performance {

Result<Duration> parse_period(std::string_view text) {
    const auto wrong = [] {
        return fail(ErrorCode::kInvalidArgument,
                    "period is a whole number and a unit: 90m, 24h, 7d, 4w; from one minute to 366 days");
    };
    if (text.size() < 2 || text.size() > 8) return wrong();
    const auto number = parse_u64(text.substr(0, text.size() - 1));
    std::int64_t unit_s = 0;
    switch (text.back()) {
        case 'm':
            unit_s = 60;
            break;
        case 'h':
            unit_s = 3600;
            break;
        case 'd':
            unit_s = 86'400;
            break;
        case 'w':
            unit_s = 7 * 86'400;
            break;
        default:
            return wrong();
    }
    constexpr std::uint64_t kMostS = 366ULL * 86'400;
    if (!number || *number == 0 || *number > kMostS) return wrong();
    const std::uint64_t seconds = *number * static_cast<std::uint64_t>(unit_s);
    if (seconds > kMostS) return wrong();
    return std::chrono::seconds(seconds);
}

Result<std::unique_ptr<const Report>> make_report(const ReportNeeds& needs, std::string asked, Duration length,
                                                  UnixMillis now) {
    auto report = std::make_unique<Report>();
    report->version = needs.version;
    report->asked = std::move(asked);
    report->made = now;
    report->health = needs.health.read();
    const std::int64_t length_ms = std::chrono::duration_cast<std::chrono::milliseconds>(length).count();
    TG_TRY(report->now, read_period(needs.store, now - length_ms, now));
    TG_TRY(report->slow_statements, needs.store.slow(now - length_ms, now, 20));
    report->trends = trends_of(report->now);
    report->slowest = slowest_routes(report->now.all, 10);
    report->capacity = capacity_of(report->now, needs.cpu_percent_max);
    const auto first = needs.store.first();
    if (!first || *first > now - length_ms) {
        report->no_comparison = "there is no sample of the period before";
        return report;
    }
    TG_TRY(report->before, read_period(needs.store, now - 2 * length_ms, now - length_ms));
    if (report->before->blocks.size() < kDifferenceMin || report->now.blocks.size() < kDifferenceMin) {
        report->no_comparison = "fewer than 8 blocks with samples in one of the two periods";
    }
    report->comparisons = compare(*report->before, report->now);
    return report;
}

}  // namespace tidegate::performance
