#include "audit/views/statistics.h"

#include <algorithm>
#include <map>

#include "audit/rollup.h"
#include "audit/schema.h"
#include "audit/views/read_transaction.h"

namespace tidegate::audit {
namespace {

constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::int64_t kWindowMaxMs = 400 * kDayMs;

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
    return value - ((value % unit) + unit) % unit;
}

using Tally = std::map<std::string, std::uint64_t, std::less<>>;

void count_in(Tally& tally, std::string_view name, std::uint64_t count) {
    if (name.empty()) return;  // No band, no model: nothing to count under a made-up name.
    const auto found = tally.find(name);
    if (found != tally.end()) {
        found->second += count;
    } else {
        tally.emplace(name, count);
    }
}

std::vector<Count> largest_first(const Tally& tally) {
    std::vector<Count> out;
    for (const auto& [name, count] : tally) out.push_back({name, count});
    std::ranges::sort(
        out, [](const Count& a, const Count& b) { return a.count != b.count ? a.count > b.count : a.name < b.name; });
    return out;
}

struct Day {
    RollupCell sums;
    std::uint64_t errors = 0;
    Tally bands;
};

std::optional<double> confidence_mean(const RollupCell& sums) {
    if (sums.confidences == 0) return std::nullopt;
    return sums.confidence_sum / static_cast<double>(sums.confidences);
}

// Adds up the cells of the window by every name that the reply lists.
class Adder {
  public:
    void add(std::int64_t hour, const Kind& kind, const RollupCell& cell) {
        sums_.merge(cell);
        count_in(status_, to_string(kind.status), cell.decisions);
        count_in(band_, kind.band, cell.decisions);
        count_in(service_, kind.service, cell.decisions);
        count_in(operation_, kind.operation, cell.decisions);
        count_in(content_type_, content_type_of(kind.operation), cell.decisions);
        count_in(model_version_, kind.model_version, cell.decisions);
        count_in(cache_, to_string(kind.cache), cell.decisions);
        Day& day = days_[floor_to(hour * kHourMs, kDayMs)];
        day.sums.decisions += cell.decisions;
        day.sums.confidences += cell.confidences;
        day.sums.confidence_sum += cell.confidence_sum;
        if (kind.status != Status::kSuccess) day.errors += cell.decisions;
        count_in(day.bands, kind.band, cell.decisions);
    }

    Statistics finish(UnixMillis from, UnixMillis to) const {
        Statistics out;
        out.from = from;
        out.to = to;
        out.total = sums_.decisions;
        out.by_status = largest_first(status_);
        out.by_band = largest_first(band_);
        out.by_service = largest_first(service_);
        out.by_operation = largest_first(operation_);
        out.by_content_type = largest_first(content_type_);
        out.by_model_version = largest_first(model_version_);
        out.by_cache = largest_first(cache_);
        out.confidence_mean = confidence_mean(sums_);
        out.latency = latency();
        out.tokens = static_cast<std::uint64_t>(sums_.tokens);
        out.spend_points = sums_.spend_points;
        for (std::int64_t day = floor_to(from, kDayMs); day < to; day += kDayMs) out.timeline.push_back(day_count(day));
        return out;
    }

  private:
    LatencySummary latency() const {
        if (sums_.decisions == 0) return {};
        const double max_us = static_cast<double>(sums_.latency_max_us);
        const auto ms = [&](double q) { return std::min(sums_.latency.quantile(q), max_us) / 1000; };
        return {.count = sums_.decisions,
                .mean_ms = static_cast<double>(sums_.latency_sum_us) / static_cast<double>(sums_.decisions) / 1000,
                .p50_ms = ms(.5),
                .p90_ms = ms(.9),
                .p95_ms = ms(.95),
                .p99_ms = ms(.99),
                .p999_ms = ms(.999),
                .max_ms = max_us / 1000};
    }

    DayCount day_count(std::int64_t day) const {
        const auto found = days_.find(day);
        if (found == days_.end()) return {.day = day, .total = 0, .errors = 0, .by_band = {}, .confidence_mean = {}};
        const Day& sums = found->second;
        return {.day = day,
                .total = sums.sums.decisions,
                .errors = sums.errors,
                .by_band = largest_first(sums.bands),
                .confidence_mean = confidence_mean(sums.sums)};
    }

    RollupCell sums_;
    Tally status_, band_, service_, operation_, content_type_, model_version_, cache_;
    std::map<std::int64_t, Day> days_;
};

}  // namespace

Result<Statistics> StatisticsView::read(const StatisticsQuery& query) const {
    const std::int64_t from = floor_to(query.from, kHourMs);
    const std::int64_t to = floor_to(query.to + kHourMs - 1, kHourMs);
    if (query.from < 0 || query.from >= query.to || query.to - query.from > kWindowMaxMs) {
        return fail(ErrorCode::kInvalidArgument, "the window must end after it begins and span at most 400 days");
    }
    TG_TRY(const ReaderPool::Lease database, pool_->borrow());
    TG_TRY(const ReadTransaction transaction, ReadTransaction::begin(*database));
    TG_TRY(const KindTable kinds, read_kinds(*database));
    TG_TRY(store::Statement rows, database->prepare(std::string(kSelectHours) + " WHERE hour>=? AND hour<?"));
    rows.bind(1, from / kHourMs).bind(2, to / kHourMs);
    Adder adder;
    for (;;) {
        TG_TRY(const bool row, rows.step());
        if (!row) return adder.finish(from, to);
        const auto kind = kinds.find(rows.integer(1));
        if (kind == kinds.end()) return fail(ErrorCode::kDataLoss, "the hourly sums name an unknown kind");
        if (query.tenant && kind->second.tenant != *query.tenant) continue;
        if (query.service && kind->second.service != *query.service) continue;
        TG_TRY(const RollupCell cell, read_cell(rows));
        adder.add(rows.integer(0), kind->second, cell);
    }
}

}  // namespace tidegate::audit
