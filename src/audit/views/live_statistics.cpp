#include "audit/views/live_statistics.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace tidegate::audit {
namespace {

constexpr std::int64_t kTimelineDaysMax = 400;

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
    out.reserve(tally.size());
    for (const auto& [name, count] : tally) out.push_back({name, count});
    std::ranges::sort(
        out, [](const Count& a, const Count& b) { return a.count != b.count ? a.count > b.count : a.name < b.name; });
    return out;
}

std::optional<double> confidence_mean(std::uint64_t confidences, std::uint64_t micro) {
    if (confidences == 0) return std::nullopt;
    return static_cast<double>(micro) / 1e6 / static_cast<double>(confidences);
}

// Of nothing the sum is 0; of decisions of which none states the figure there is no sum.
std::optional<std::uint64_t> stated(std::uint64_t counts, std::uint64_t sum, std::uint64_t decisions) {
    return counts > 0 || decisions == 0 ? std::optional(sum) : std::nullopt;
}

// Sums the cells by kind first: the names are looked at once for each kind, not for each cell.
class Adder final : public CellVisitor {
  public:
    Adder(const StatisticsQuery& query, const Kinds& kinds, bool timeline)
        : query_(query), kinds_(kinds), timeline_(timeline) {}

    bool wants(std::uint32_t kind) override {
        if (kind >= by_kind_.size()) by_kind_.resize(std::max<std::size_t>(kinds_.size(), std::size_t{kind} + 1));
        Wanted& wanted = by_kind_[kind].wanted;
        if (wanted == Wanted::kUnknown) wanted = matches(kinds_.name(kind)) ? Wanted::kYes : Wanted::kNo;
        return wanted == Wanted::kYes;
    }

    void add(Minute start, std::uint32_t kind, const Cell& cell) override {
        OfKind& of = by_kind_[kind];
        of.sums.merge(cell.sums);
        if (kinds_.name(kind).record == RecordKind::kEvent) return;
        cell.steps.add_to(steps_);
        if (!timeline_) return;
        DaySums& day = days_[start_of(Level::kDay, start)][kind];
        day.count += cell.sums.count;
        day.confidences += cell.sums.confidences;
        day.confidence_micro += cell.sums.confidence_micro;
    }

    Statistics finish(Minute from, Minute to) const;

  private:
    enum class Wanted : std::uint8_t { kUnknown, kYes, kNo };
    struct OfKind {
        Sums sums;
        Wanted wanted = Wanted::kUnknown;
    };
    struct DaySums {
        std::uint64_t count = 0;
        std::uint64_t confidences = 0;
        std::uint64_t confidence_micro = 0;
    };
    using Day = std::unordered_map<std::uint32_t, DaySums>;

    bool matches(const KindName& name) const {
        return (!query_.tenant || name.tenant == *query_.tenant) &&
               (!query_.service || name.service == *query_.service) && (!query_.model || name.model == *query_.model) &&
               (!query_.operation || name.operation == *query_.operation);
    }
    LatencySummary latency(const Sums& all) const;
    DayCount day_count(Minute start) const;

    const StatisticsQuery& query_;
    const Kinds& kinds_;
    const bool timeline_;
    std::vector<OfKind> by_kind_;
    DenseSteps steps_;
    std::map<Minute, Day> days_;
};

LatencySummary Adder::latency(const Sums& all) const {
    if (all.latencies == 0) return {};
    constexpr std::array<double, 5> kAsked{.5, .9, .95, .99, .999};
    std::array<double, 5> found{};
    steps_.quantiles(kAsked, found);
    const double max_us = static_cast<double>(all.latency_us_max);
    // The middle of the last step may lie beyond the largest value in it.
    const auto ms = [&](std::size_t i) { return std::min(found[i], max_us) / 1000; };
    return {.count = all.latencies,
            .mean_ms = static_cast<double>(all.latency_us) / static_cast<double>(all.latencies) / 1000,
            .p50_ms = ms(0),
            .p90_ms = ms(1),
            .p95_ms = ms(2),
            .p99_ms = ms(3),
            .p999_ms = ms(4),
            .max_ms = max_us / 1000};
}

DayCount Adder::day_count(Minute start) const {
    DayCount out{.day = start * kMsPerMinute, .by_band = {}, .confidence_mean = {}};
    const auto found = days_.find(start);
    if (found == days_.end()) return out;
    Tally bands;
    DaySums sums;
    for (const auto& [kind, of_kind] : found->second) {
        const KindName& name = kinds_.name(kind);
        out.total += of_kind.count;
        if (name.status != Status::kSuccess) out.errors += of_kind.count;
        count_in(bands, name.band, of_kind.count);
        sums.confidences += of_kind.confidences;
        sums.confidence_micro += of_kind.confidence_micro;
    }
    out.by_band = largest_first(bands);
    out.confidence_mean = confidence_mean(sums.confidences, sums.confidence_micro);
    return out;
}

Statistics Adder::finish(Minute from, Minute to) const {
    Statistics out;
    out.from = from * kMsPerMinute;
    out.to = to * kMsPerMinute;
    Sums all;
    Tally status, band, service, operation, content_type, model, model_version, cache;
    for (std::uint32_t kind = 0; kind < by_kind_.size(); ++kind) {
        const Sums& sums = by_kind_[kind].sums;
        if (sums.count == 0) continue;
        const KindName& name = kinds_.name(kind);
        if (name.record == RecordKind::kEvent) {
            out.events += sums.count;
            continue;
        }
        all.merge(sums);
        count_in(status, to_string(name.status), sums.count);
        count_in(band, name.band, sums.count);
        count_in(service, name.service, sums.count);
        count_in(operation, name.operation, sums.count);
        count_in(content_type, content_type_of(name.operation), sums.count);
        count_in(model, name.model, sums.count);
        count_in(model_version, name.model_version, sums.count);
        count_in(cache, to_string(name.cache), sums.count);
    }
    out.total = all.count;
    out.by_status = largest_first(status);
    out.by_band = largest_first(band);
    out.by_service = largest_first(service);
    out.by_operation = largest_first(operation);
    out.by_content_type = largest_first(content_type);
    out.by_model = largest_first(model);
    out.by_model_version = largest_first(model_version);
    out.by_cache = largest_first(cache);
    out.confidence_mean = confidence_mean(all.confidences, all.confidence_micro);
    out.latency = latency(all);
    out.tokens = stated(all.token_counts, all.tokens, all.count);
    out.spend_points = Points{static_cast<std::int64_t>(all.spend_milli)};
    out.input_bytes = stated(all.input_sizes, all.input_bytes, all.count);
    if (!timeline_) return out;
    for (Minute day = start_of(Level::kDay, from); day < to; day += kDayMinutes) out.timeline.push_back(day_count(day));
    return out;
}

}  // namespace

Result<Statistics> LiveStatistics::read(const StatisticsQuery& query) const {
    if (query.from < 0 || query.from >= query.to) {
        return fail(ErrorCode::kInvalidArgument, "the window must end after it begins, and not begin before 1970");
    }
    const Minute from = std::min(query.from / kMsPerMinute, kMinuteEnd - 1);
    const Minute to = std::min((query.to - 1) / kMsPerMinute + 1, kMinuteEnd);
    const bool timeline = query.timeline && to - from <= kTimelineDaysMax * kDayMinutes;
    Adder adder(query, cube_.kinds(), timeline);
    TG_CHECK(cube_.visit(from, to, timeline, adder));
    return adder.finish(from, to);
}

}  // namespace tidegate::audit
