#include "pipeline/upstream/metrics.h"

#include <algorithm>
#include <memory>

namespace tidegate::upstream {
namespace {

using observe::MetricType;
using observe::Samples;

template <class Part>
using Parts = std::shared_ptr<const std::vector<Part>>;

template <class Number>
double as_double(Number number) {
    return static_cast<double>(number);
}

// A family over parts of one kind; `read(part, samples)` adds what one part has.
template <class Part, class Read>
void family(observe::Registry& registry, MetricType type, const Parts<Part>& parts, observe::FamilySpec spec,
            Read read) {
    registry.callback(std::move(spec), type, [parts, read](Samples& out) {
        for (const Part& part : *parts) read(part, out);
    });
}

void declare_targets(observe::Registry& registry, const Clock& clock, const Parts<UpstreamParts>& parts) {
    const auto of_targets = [&](MetricType type, std::string name, std::string help, std::string rises, auto read) {
        family(registry, type, parts,
               {.name = std::move(name),
                .help = std::move(help),
                .labels = {"upstream", "target"},
                .when_it_rises = std::move(rises),
                .series_max = 4096},
               [&clock, read](const UpstreamParts& part, Samples& out) {
                   if (part.pool == nullptr) return;
                   for (const auto& t : part.pool->snapshot(clock.now()).targets) out.add({part.name, t.name}, read(t));
               });
    };
    using Target = TargetSnapshot;
    of_targets(MetricType::kGauge, "tidegate_upstream_target_usable", "1 while requests go to the target.",
               "When it falls: see the breaker, the ejections and the health of the target.",
               [](const Target& t) { return t.usable ? 1.0 : 0.0; });
    of_targets(MetricType::kGauge, "tidegate_upstream_target_healthy", "1 while the active checks say so.",
               "When it falls: ask the target's health path by hand.",
               [](const Target& t) { return t.healthy ? 1.0 : 0.0; });
    of_targets(MetricType::kGauge, "tidegate_upstream_target_ejected", "1 while the target is left out.",
               "It does worse than the others.",
               [](const Target& t) { return t.ejected_left > Duration(0) ? 1.0 : 0.0; });
    of_targets(MetricType::kGauge, "tidegate_upstream_breaker_state",
               "0 closed, 1 open, 2 half-open, 3 forced open, 4 disabled.", "The target fails: see its outcomes.",
               [](const Target& t) { return as_double(static_cast<int>(t.breaker.state)); });
    of_targets(MetricType::kGauge, "tidegate_upstream_target_outstanding", "Calls under way.",
               "The target is slow or busy.", [](const Target& t) { return as_double(t.outstanding); });
    of_targets(MetricType::kCounter, "tidegate_upstream_breaker_opened_total", "Times the breaker opened.",
               "The target fails.", [](const Target& t) { return as_double(t.breaker.opened); });
    of_targets(MetricType::kCounter, "tidegate_upstream_ejections_total", "Times the target was left out.",
               "It does worse than the others.", [](const Target& t) { return as_double(t.ejections); });
    family(registry, MetricType::kCounter, parts,
           {.name = "tidegate_upstream_calls_total",
            .help = "Calls by what became of them.",
            .labels = {"upstream", "target", "outcome"},
            .when_it_rises = "The outcome says where to look.",
            .series_max = 16384},
           [&clock](const UpstreamParts& part, Samples& out) {
               if (part.pool == nullptr) return;
               for (const auto& t : part.pool->snapshot(clock.now()).targets) {
                   for (std::size_t i = 0; i < kOutcomes; ++i) {
                       out.add({part.name, t.name, to_string(static_cast<Outcome>(i))}, as_double(t.outcomes[i]));
                   }
               }
           });
}

template <class Read>
void of_upstreams(observe::Registry& registry, MetricType type, const Parts<UpstreamParts>& parts, std::string name,
                  std::string help, std::string rises, Read read) {
    family(
        registry, type, parts,
        {.name = std::move(name), .help = std::move(help), .labels = {"upstream"}, .when_it_rises = std::move(rises)},
        [read](const UpstreamParts& part, Samples& out) {
            if (const auto value = read(part)) out.add({part.name}, *value);
        });
}

void declare_pools(observe::Registry& registry, const Clock& clock, const Parts<UpstreamParts>& parts) {
    using Value = std::optional<double>;
    const auto counter = MetricType::kCounter;
    of_upstreams(registry, counter, parts, "tidegate_upstream_no_target_total",
                 "Requests for which no target was usable.", "All targets are down, or were tried.",
                 [&clock](const UpstreamParts& p) -> Value {
                     if (p.pool == nullptr) return {};
                     return as_double(p.pool->snapshot(clock.now()).no_target);
                 });
    of_upstreams(registry, counter, parts, "tidegate_upstream_panic_picks_total",
                 "Calls made while ejection and health checks were not believed.", "Too few targets are usable.",
                 [&clock](const UpstreamParts& p) -> Value {
                     if (p.pool == nullptr) return {};
                     return as_double(p.pool->snapshot(clock.now()).picked_in_panic);
                 });
    of_upstreams(registry, counter, parts, "tidegate_upstream_retries_total", "Calls made again.", "Targets fail.",
                 [](const UpstreamParts& p) -> Value {
                     if (p.retries == nullptr) return {};
                     return as_double(p.retries->granted());
                 });
    of_upstreams(registry, counter, parts, "tidegate_upstream_retries_refused_total",
                 "Retries refused because the budget was spent.", "Too much fails for retries to help.",
                 [](const UpstreamParts& p) -> Value {
                     if (p.retries == nullptr) return {};
                     return as_double(p.retries->refused());
                 });
    if (std::ranges::any_of(*parts, [](const UpstreamParts& p) { return p.health != nullptr; })) {
        of_upstreams(registry, counter, parts, "tidegate_upstream_probes_total", "Active health checks made.",
                     "It does, with time.", [](const UpstreamParts& p) -> Value {
                         if (p.health == nullptr) return {};
                         return as_double(p.health->counters().probes.load(std::memory_order_relaxed));
                     });
        of_upstreams(registry, counter, parts, "tidegate_upstream_probes_failed_total",
                     "Active health checks with a bad answer.", "Ask the target's health path by hand.",
                     [](const UpstreamParts& p) -> Value {
                         if (p.health == nullptr) return {};
                         return as_double(p.health->counters().failed.load(std::memory_order_relaxed));
                     });
    }
}

void declare_admission(observe::Registry& registry, const Clock& clock, const Parts<UpstreamParts>& parts) {
    const auto read = [&](MetricType type, std::string name, std::string help, std::string rises, auto value) {
        of_upstreams(registry, type, parts, std::move(name), std::move(help), std::move(rises),
                     [&clock, value](const UpstreamParts& p) -> std::optional<double> {
                         if (p.admission == nullptr) return {};
                         return value(p.admission->snapshot(clock.now()));
                     });
    };
    using Shot = AdmissionSnapshot;
    read(MetricType::kGauge, "tidegate_admission_limit", "Requests that may be in work at once.", "It may.",
         [](const Shot& s) { return as_double(s.limit); });
    read(MetricType::kGauge, "tidegate_admission_in_work", "Requests in work.", "Compare with the limit.",
         [](const Shot& s) { return as_double(s.in_flight); });
    read(MetricType::kGauge, "tidegate_admission_waiting", "Requests that wait for a place.", "The upstream is slow.",
         [](const Shot& s) { return as_double(s.waiting[0] + s.waiting[1]); });
    read(MetricType::kCounter, "tidegate_admission_admitted_total", "Requests admitted.", "Requests come.",
         [](const Shot& s) { return as_double(s.admitted); });
    read(MetricType::kCounter, "tidegate_admission_queued_total", "Requests that had to wait.", "The upstream is slow.",
         [](const Shot& s) { return as_double(s.queued); });
    family(registry, MetricType::kCounter, parts,
           {.name = "tidegate_admission_shed_total",
            .help = "Requests refused with 503.",
            .labels = {"upstream", "why"},
            .when_it_rises = "More comes than the upstream can serve."},
           [&clock](const UpstreamParts& part, Samples& out) {
               if (part.admission == nullptr) return;
               const auto shot = part.admission->snapshot(clock.now());
               for (std::size_t i = 0; i < kShedWhys; ++i) {
                   out.add({part.name, to_string(static_cast<Shed::Why>(i))}, as_double(shot.shed[i]));
               }
           });
}

void declare_batchers(observe::Registry& registry, const Parts<BatcherPart>& parts) {
    const auto read = [&](MetricType type, std::string name, std::string help, std::string rises, auto value) {
        family(
            registry, type, parts,
            {.name = std::move(name), .help = std::move(help), .labels = {"route"}, .when_it_rises = std::move(rises)},
            [value](const BatcherPart& part, Samples& out) { out.add({part.route}, value(part.batcher->snapshot())); });
    };
    using Shot = BatchSnapshot;
    const auto counter = MetricType::kCounter;
    read(counter, "tidegate_batch_items_total", "Requests taken for merging.", "Requests come.",
         [](const Shot& s) { return as_double(s.items); });
    read(counter, "tidegate_batch_wait_seconds_total", "Time they waited for their batch, all together.",
         "Divide by the items.", [](const Shot& s) { return as_double(s.wait_ns) / 1e9; });
    read(counter, "tidegate_batch_refused_total", "Requests refused because too many waited.", "The upstream is slow.",
         [](const Shot& s) { return as_double(s.refused); });
    read(counter, "tidegate_batch_expired_total", "Requests whose deadline passed.", "The upstream is slow.",
         [](const Shot& s) { return as_double(s.expired); });
    read(counter, "tidegate_batch_cancelled_total", "Requests whose client left.", "Clients do not wait so long.",
         [](const Shot& s) { return as_double(s.cancelled); });
    read(counter, "tidegate_batch_items_failed_total", "Requests that got an error.", "See the upstream's answers.",
         [](const Shot& s) { return as_double(s.items_failed); });
    read(counter, "tidegate_batch_calls_failed_total", "Merged calls that failed for all their requests.",
         "See the upstream's answers.", [](const Shot& s) { return as_double(s.calls_failed); });
    read(counter, "tidegate_batch_mismatches_total", "Answers that were no list of one result for each item.",
         "The upstream does not do what the route says it does.",
         [](const Shot& s) { return as_double(s.mismatches); });
    read(counter, "tidegate_batch_isolated_total", "Requests sent again alone because their merged call was refused.",
         "Some client sends what the upstream refuses, at its neighbours' cost.",
         [](const Shot& s) { return as_double(s.isolated); });
    read(MetricType::kGauge, "tidegate_batch_waiting", "Requests that wait for their batch.", "The upstream is slow.",
         [](const Shot& s) { return as_double(s.waiting); });
    family(registry, counter, parts,
           {.name = "tidegate_batch_calls_total",
            .help = "Merged calls by why they were cut.",
            .labels = {"route", "cut"},
            .when_it_rises = "Mostly full: larger batches might be worth it."},
           [](const BatcherPart& part, Samples& out) {
               const auto shot = part.batcher->snapshot();
               for (std::size_t i = 0; i < kCuts; ++i) {
                   out.add({part.route, to_string(static_cast<Cut>(i))}, as_double(shot.cuts[i]));
               }
           });
    family(registry, counter, parts,
           {.name = "tidegate_batch_sizes_total",
            .help = "Merged calls by the number of requests in them.",
            .labels = {"route", "requests"},
            .when_it_rises = "It shows how much merging brings."},
           [](const BatcherPart& part, Samples& out) {
               const auto shot = part.batcher->snapshot();
               static constexpr std::array<std::string_view, 8> kSizes{"1",    "2",     "3-4",   "5-8",
                                                                       "9-16", "17-32", "33-64", "65-"};
               for (std::size_t i = 0; i < kSizes.size(); ++i) {
                   out.add({part.route, kSizes[i]}, as_double(shot.sizes[i]));
               }
           });
}

void declare_memory(observe::Registry& registry, const MemoryCeiling& memory) {
    const auto read = [&](MetricType type, std::string name, std::string help, std::string rises, auto value) {
        registry.callback({.name = std::move(name), .help = std::move(help), .when_it_rises = std::move(rises)}, type,
                          [&memory, value](Samples& out) { out.add({}, value(memory.snapshot())); });
    };
    using Shot = MemorySnapshot;
    read(MetricType::kGauge, "tidegate_memory_ceiling_bytes", "Memory above which new work is refused; 0: none.",
         "It does not.", [](const Shot& s) { return as_double(s.ceiling_bytes); });
    read(MetricType::kGauge, "tidegate_memory_over", "1 while new work is refused.", "See what holds memory.",
         [](const Shot& s) { return s.over ? 1.0 : 0.0; });
    read(MetricType::kCounter, "tidegate_memory_refused_total", "Requests refused with 503 for want of memory.",
         "See what holds memory.", [](const Shot& s) { return as_double(s.refused); });
    read(MetricType::kCounter, "tidegate_memory_unreadable_total", "Readings of our own memory that failed.",
         "/proc is not there.", [](const Shot& s) { return as_double(s.unreadable); });
}

}  // namespace

void declare_metrics(observe::Registry& registry, const Clock& clock, std::vector<UpstreamParts> upstreams,
                     std::vector<BatcherPart> batchers, const MemoryCeiling* memory) {
    const auto parts = std::make_shared<const std::vector<UpstreamParts>>(std::move(upstreams));
    declare_targets(registry, clock, parts);
    declare_pools(registry, clock, parts);
    declare_admission(registry, clock, parts);
    if (!batchers.empty())
        declare_batchers(registry, std::make_shared<const std::vector<BatcherPart>>(std::move(batchers)));
    if (memory != nullptr) declare_memory(registry, *memory);
}

}  // namespace tidegate::upstream
