#include "pipeline/route_stages.h"

#include <algorithm>
#include <cstring>

namespace tidegate::pipeline {

RouteStages::Cell* RouteStages::cell_of(Shard& shard, const char* name) {
    for (Cell& cell : shard.cells) {
        const char* known = cell.name.load(std::memory_order_acquire);
        // Two threads of one shard may meet here: the one that comes second finds the first one's name.
        if (known == nullptr && cell.name.compare_exchange_strong(known, name, std::memory_order_acq_rel)) return &cell;
        if (known == name || std::strcmp(known, name) == 0) return &cell;
    }
    return nullptr;
}

void RouteStages::add_one(Shard& shard, const char* name, std::uint64_t ns, bool slow) {
    Cell* const cell = cell_of(shard, name);
    if (cell == nullptr) return;
    cell->requests.fetch_add(1, std::memory_order_relaxed);
    cell->ns.fetch_add(ns, std::memory_order_relaxed);
    if (slow) cell->slow_ns.fetch_add(ns, std::memory_order_relaxed);
    observe::Histogram* times = cell->times.load(std::memory_order_acquire);
    if (times == nullptr) {
        // The family makes a series once, whoever asks.
        times = &times_.with({name});
        cell->times.store(times, std::memory_order_release);
    }
    times->record(ns);
}

void RouteStages::add(const observe::StageTimes& stages, Duration took) {
    Shard& shard = shards_[observe::thread_shard() % shards_.size()];
    const auto total = static_cast<std::uint64_t>(std::max<std::int64_t>(0, took.count()));
    const bool slow = total >= slow_from_ns_.load(std::memory_order_relaxed);
    if (slow) shard.slow.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t named = 0;
    for (const auto& stage : stages.stages()) {
        const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, stage.ns));
        named += ns;
        add_one(shard, stage.name, ns, slow);
    }
    add_one(shard, "send", total - std::min(total, named), slow);
}

std::vector<RouteStages::Totals> RouteStages::read() const {
    std::vector<Totals> out;
    for (const Shard& shard : shards_) {
        for (const Cell& cell : shard.cells) {
            const char* const name = cell.name.load(std::memory_order_acquire);
            if (name == nullptr) break;
            auto found = std::ranges::find(out, name, &Totals::stage);
            if (found == out.end()) found = out.insert(out.end(), Totals{.stage = name});
            found->requests += cell.requests.load(std::memory_order_relaxed);
            found->ns += cell.ns.load(std::memory_order_relaxed);
            found->slow_ns += cell.slow_ns.load(std::memory_order_relaxed);
        }
    }
    return out;
}

std::uint64_t RouteStages::slow() const noexcept {
    std::uint64_t all = 0;
    for (const Shard& shard : shards_) all += shard.slow.load(std::memory_order_relaxed);
    return all;
}

}  // namespace tidegate::pipeline
