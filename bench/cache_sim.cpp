// cache_sim: hit ratios of the store's way of choosing who stays, beside LRU, S3-FIFO, W-TinyLFU and the best possible.
//
// Use         cache_sim > bench/results/cache_sim.json        (half a minute; the same figures on every machine)
// Gate        On each trace and size the product is at most 1 point below the better of S3-FIFO and W-TinyLFU, and above LRU
//             on all but the loop; where nothing but recency counts it may fall short of LRU by 0.5 (what it takes to notice).
//             Exit 1 when that does not hold.
#include <fmt/format.h>

#include <cstdio>

#include "bench/cache_sim_policies.h"

namespace {

using namespace tidegate::bench;

constexpr double kBehindBest = 1.0;
constexpr double kBehindLru = 0.5;

double hit_ratio(const Trace& trace, Policy& policy) {
    std::uint64_t hits = 0;
    for (const Request& request : trace.requests) hits += policy.ask(request) ? 1 : 0;
    return 100.0 * static_cast<double>(hits) / static_cast<double>(trace.requests.size());
}

// One line of the result; false when the gate is missed.
bool compare(const Trace& trace, double part, const char* separator) {
    const auto capacity = static_cast<std::uint64_t>(static_cast<double>(trace.base) * part);
    std::uint64_t mean = 1;
    if (!trace.unit) mean = trace.base / kKeys;
    Lru lru(capacity);
    S3Fifo s3_fifo(capacity);
    WTinyLfu w_tiny_lfu(capacity, capacity / mean);
    Product product(capacity);
    Product scan(capacity, tidegate::cache::Mode::kScan);
    Product frequency(capacity, tidegate::cache::Mode::kFrequency);
    const double of_lru = hit_ratio(trace, lru);
    const double of_s3 = hit_ratio(trace, s3_fifo);
    const double of_tiny = hit_ratio(trace, w_tiny_lfu);
    const double of_product = hit_ratio(trace, product);
    const bool holds =
        of_product >= std::max(of_s3, of_tiny) - kBehindBest && (trace.loop || of_product >= of_lru - kBehindLru);
    const std::string best = trace.unit ? fmt::format("{:.2f}", best_possible(trace.requests, capacity)) : "null";
    fmt::print(
        "{}\n    {{\"trace\": \"{}\", \"size\": {}, \"lru\": {:.2f}, \"s3_fifo\": {:.2f}, \"w_tiny_lfu\": {:.2f}, "
        "\"best_possible\": "
        "{}, \"product\": {:.2f}, \"product_scan_only\": {:.2f}, \"product_frequency_only\": {:.2f}, \"gate\": {}}}",
        separator, trace.name, part, of_lru, of_s3, of_tiny, best, of_product, hit_ratio(trace, scan),
        hit_ratio(trace, frequency), holds);
    std::fflush(stdout);
    return holds;
}

}  // namespace

int main() {
    const auto traces = all_traces();
    fmt::print(
        "{{\n  \"command\": \"cache_sim\",\n  \"unit\": \"hit ratio in percent of {} requests\",\n  \"traces\": {{",
        kRequests);
    const char* separator = "";
    for (const Trace& trace : traces) {
        fmt::print("{}\n    \"{}\": \"{}\"", separator, trace.name, trace.what);
        separator = ",";
    }
    fmt::print("\n  }},\n  \"results\": [");
    bool all = true;
    separator = "";
    for (const Trace& trace : traces) {
        for (const double part : {0.001, 0.01, 0.1}) {
            all = compare(trace, part, separator) && all;
            separator = ",";
        }
    }
    fmt::print("\n  ],\n  \"gate\": {}\n}}\n", all);
    return all ? 0 : 1;
}
