#include "audit/views/live_statistics.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

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
        : query_(query), kinds_(kinds), timeline_(timeline), by_kind_(kinds.size()) {
        if (is_filtered() && by_kind_.size() <= kLookedThrough) wants_all_ = matches_every_decision();
    }
    /// False: while it was read a kind came up that the filter leaves out, and its latencies may have been counted.
    bool holds() { return !is_filtered() || !wants_all_ || matches_every_decision(); }

    bool wants_all() const noexcept override { return !is_filtered() || wants_all_; }
    bool wants(std::uint32_t kind) override { return known(kind).wanted; }

    void add(Minute start, std::uint32_t kind, const Sums& sums) override {
        OfKind& of = known(kind);
        of.sums.merge(sums);
        if (!timeline_ || of.event || of.unassigned) return;
        const Minute day = start_of(Level::kDay, start);
        if (day != day_) turn_to(day);
        DaySums& total = days_[day_index_].sums;
        total.count += sums.count;
        if (of.error) total.errors += sums.count;
        total.confidences += sums.confidences;
        total.confidence_micro += sums.confidence_micro;
        if (of.band == kNoBand) return;
        if (bands_of_day_[of.band] == 0) touched_.push_back(of.band);
        bands_of_day_[of.band] += sums.count;
    }
    void add_steps(std::uint32_t kind, const SparseSteps& steps) override {
        const OfKind& of = known(kind);
        if (!of.event && !of.unassigned) steps.add_to(steps_);
    }
    void add_steps_of_all(const SparseSteps& steps) override { steps.add_to(steps_); }

    Statistics finish(Minute from, Minute to);

  private:
    static constexpr std::uint32_t kNoBand = UINT32_MAX;
    // About 20 ns each; more are not worth it.
    static constexpr std::size_t kLookedThrough = 10'000;
    struct OfKind {
        Sums sums;
        bool looked_at = false;
        bool wanted = false;
        bool unassigned = false;  // `(other)`: the filter may mean some of them.
        bool event = false;
        bool error = false;
        std::uint32_t band = kNoBand;
    };
    struct DaySums {
        std::uint64_t count = 0;
        std::uint64_t errors = 0;
        std::uint64_t confidences = 0;
        std::uint64_t confidence_micro = 0;
    };
    struct Day {
        DaySums sums;
        std::vector<std::pair<std::uint32_t, std::uint64_t>> bands;  // One may be there more than once.
    };

    OfKind& known(std::uint32_t kind) {
        if (kind >= by_kind_.size()) by_kind_.resize(std::max<std::size_t>(kinds_.size(), std::size_t{kind} + 1));
        OfKind& of = by_kind_[kind];
        if (!of.looked_at) look_at(of, kinds_.name(kind));
        return of;
    }
    void look_at(OfKind& of, const KindName& name);
    bool is_filtered() const noexcept { return query_.tenant || query_.service || query_.model || query_.operation; }
    bool matches_every_decision();
    void turn_to(Minute day);
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
    bool wants_all_ = false;
    std::vector<OfKind> by_kind_;
    DenseSteps steps_;
    // Cells come day by day: what the bands of the current one have is counted by number, and noted when the next begins.
    std::map<std::string_view, std::uint32_t> band_numbers_;
    std::vector<std::string_view> bands_;
    std::vector<std::uint64_t> bands_of_day_;
    std::vector<std::uint32_t> touched_;
    Minute day_ = -1;
    std::size_t day_index_ = 0;
    std::vector<Day> days_;
    std::map<Minute, std::size_t> day_numbers_;
};

// A filter may leave nothing out: the service, where there is one.
bool Adder::matches_every_decision() {
    for (std::uint32_t kind = 0, count = kinds_.size(); kind < count; ++kind) {
        const OfKind& of = known(kind);
        if (!of.event && (!of.wanted || of.unassigned)) return false;
    }
    return true;
}

void Adder::look_at(OfKind& of, const KindName& name) {
    of.looked_at = true;
    of.unassigned = name.service == Kinds::kOther && (query_.service || query_.model || query_.operation) &&
                    (!query_.tenant || name.tenant == *query_.tenant) && !matches(name);
    of.wanted = of.unassigned || matches(name);
    of.event = name.record == RecordKind::kEvent;
    of.error = name.status != Status::kSuccess;
    if (name.band.empty()) return;
    const auto [found, is_new] = band_numbers_.try_emplace(name.band, static_cast<std::uint32_t>(bands_.size()));
    if (is_new) {
        bands_.emplace_back(name.band);
        bands_of_day_.push_back(0);
    }
    of.band = found->second;
}

void Adder::turn_to(Minute day) {
    for (const std::uint32_t band : touched_) {
        days_[day_index_].bands.emplace_back(band, std::exchange(bands_of_day_[band], 0));
    }
    touched_.clear();
    day_ = day;
    const auto [found, is_new] = day_numbers_.try_emplace(day, days_.size());
    if (is_new) days_.emplace_back();
    day_index_ = found->second;
}

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
    const auto found = day_numbers_.find(start);
    if (found == day_numbers_.end()) return out;
    const Day& day = days_[found->second];
    Tally bands;
    for (const auto& [band, count] : day.bands) count_in(bands, bands_[band], count);
    out.total = day.sums.count;
    out.errors = day.sums.errors;
    out.by_band = largest_first(bands);
    out.confidence_mean = confidence_mean(day.sums.confidences, day.sums.confidence_micro);
    return out;
}

Statistics Adder::finish(Minute from, Minute to) {
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
            if (!by_kind_[kind].unassigned) out.events += sums.count;
            continue;
        }
        if (by_kind_[kind].unassigned) {
            out.unassigned += sums.count;
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
    turn_to(-1);
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
    for (;;) {  // Kinds are few and their number is bounded.
        Adder adder(query, cube_.kinds(), timeline);
        TG_TRY(const Cube::Window counted, cube_.visit(from, to, timeline, adder));
        if (adder.holds()) return adder.finish(counted.from, counted.to);
    }
}

}  // namespace tidegate::audit
