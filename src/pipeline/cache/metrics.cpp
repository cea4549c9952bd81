#include "pipeline/cache/metrics.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/as_double.h"

namespace tidegate::cache {
namespace {

using observe::FamilySpec;
using observe::MetricType;
using observe::Samples;

/// One family of which each label value is a member of `Stats`.
template <class Stats>
struct Part {
    std::string_view value;
    std::uint64_t Stats::* member;
};

template <class Stats, class Source>
void declare_parts(observe::Registry& registry, const Source& source, FamilySpec spec, MetricType type,
                   std::vector<Part<Stats>> parts) {
    registry.callback(std::move(spec), type, [&source, parts = std::move(parts)](Samples& out) {
        const Stats stats = source.stats();
        for (const auto& part : parts) out.add({part.value}, as_double(stats.*part.member));
    });
}

struct CountedPart {
    std::string_view value;
    const L2Counters::Count* count;
};

void declare_counts(observe::Registry& registry, FamilySpec spec, std::vector<CountedPart> parts) {
    registry.callback(std::move(spec), MetricType::kCounter, [parts = std::move(parts)](Samples& out) {
        for (const CountedPart& part : parts)
            out.add({part.value}, as_double(part.count->load(std::memory_order_relaxed)));
    });
}

}  // namespace

void declare_metrics(observe::Registry& registry, const Flights& flights) {
    using P = Part<FlightStats>;
    declare_parts<FlightStats>(
        registry, flights,
        {.name = "tidegate_cache_flights_total",
         .help = "Questions without a kept answer: led (executed), waited (for one that was led), alone because the "
                 "answer is "
                 "known not to be kept, alone because too many wait or the leader is too old.",
         .labels = {"role"},
         .when_it_rises = "alone_full: the origin is slow; cache.waiters_max, cache.leader_age_max_s."},
        MetricType::kCounter,
        {P{"led", &FlightStats::leaders}, P{"waited", &FlightStats::waiters},
         P{"alone_uncacheable", &FlightStats::alone_marked}, P{"alone_full", &FlightStats::alone_full}});
    declare_parts<FlightStats>(registry, flights,
                               {.name = "tidegate_cache_flights_ended_badly_total",
                                .help = "Leaders that failed, and those who waited up to their deadline.",
                                .labels = {"what"},
                                .when_it_rises = "The origin fails or is slower than its callers wait."},
                               MetricType::kCounter,
                               {P{"failed", &FlightStats::failed}, P{"overdue", &FlightStats::overdue}});
    declare_parts<FlightStats>(registry, flights,
                               {.name = "tidegate_cache_flights_now",
                                .help = "Fetches led now, and those who wait for them.",
                                .labels = {"what"},
                                .when_it_rises = "The origin is slow, or many ask for the same."},
                               MetricType::kGauge,
                               {P{"led", &FlightStats::under_way}, P{"waiting", &FlightStats::waiting}});
}

void declare_metrics(observe::Registry& registry, const L2Counters& c) {
    declare_counts(
        registry,
        {.name = "tidegate_cache_l2_reads_total",
         .help = "Questions to Redis: hit, miss, failed (no answer in time), skipped (no connection, or not sure to "
                 "hear of invalidations), corrupt, invalidated since it was made, expired.",
         .labels = {"outcome"},
         .when_it_rises = "failed, skipped: Redis is slow or away. corrupt: somebody else writes there."},
        {{"hit", &c.hits},
         {"miss", &c.misses},
         {"failed", &c.failed},
         {"skipped", &c.skipped},
         {"corrupt", &c.corrupt},
         {"invalidated", &c.invalidated},
         {"expired", &c.expired}});
    declare_counts(registry,
                   {.name = "tidegate_cache_l2_writes_total",
                    .help = "Answers for Redis: sent, those of them that failed, dropped, too large.",
                    .labels = {"outcome"},
                    .when_it_rises = "failed, dropped: Redis is full, slow or away."},
                   {{"sent", &c.writes},
                    {"failed", &c.writes_failed},
                    {"dropped", &c.writes_dropped},
                    {"too_large", &c.writes_too_large}});
    declare_counts(registry,
                   {.name = "tidegate_cache_l2_written_bytes_total",
                    .help = "Bytes sent to Redis, as packed.",
                    .labels = {"what"},
                    .when_it_rises = "More or larger answers are shared."},
                   {{"packed", &c.write_bytes}});
    declare_counts(
        registry,
        {.name = "tidegate_cache_invalidations_total",
         .help = "Between processes: announced, those of them that had to wait for Redis, heard, and times that "
                 "messages may have been missed (lost: everything in memory was dropped).",
         .labels = {"what"},
         .when_it_rises = "lost, late: look at Redis and the network to it."},
        {{"announced", &c.announced}, {"late", &c.announced_late}, {"heard", &c.heard}, {"lost", &c.lost}});
    declare_counts(
        registry,
        {.name = "tidegate_cache_leases_total",
         .help = "Fetches that one process leads for all: taken here, held elsewhere, answers that came from there.",
         .labels = {"what"},
         .when_it_rises = "Several processes are asked the same at once."},
        {{"taken", &c.leases}, {"elsewhere", &c.leases_elsewhere}, {"served", &c.lease_waits_served}});
    registry.callback(
        {.name = "tidegate_cache_l2_synced",
         .help = "1 while this process is sure to hear of every invalidation, else 0 and Redis is not read.",
         .when_it_rises = "0 for long: look at Redis."},
        MetricType::kGauge, [&c](Samples& out) { out.add({}, as_double(c.synced.load(std::memory_order_relaxed))); });
}

}  // namespace tidegate::cache
