// What a look-up, an insertion and an invalidation cost, and what one thread loses to another.
//
// Use         bench_cache > bench/results/cache_bench.json      Goal: 5 million look-ups a second and core, the hash of the key
//             included.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/cache_sim_traces.h"
#include "pipeline/cache/store.h"

namespace {

using namespace tidegate;
using namespace tidegate::cache;

constexpr UnixMillis kNow = 1'700'000'000'000;
constexpr int kRounds = 7;

double cpu_ns() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

std::string key_text(std::uint32_t number) {
    return fmt::format("POST /api/v1/flood/risk\n{}.{:04},{}.{:04},{}\n@1.4.2", 40 + number % 20, number % 10'000,
                       number % 15, number / 10 % 10'000, number);
}

void put(ResponseStore& store, const Key& key, const std::shared_ptr<const std::string>& body) {
    Draft draft;
    draft.timing = {.response_ms = kNow, .lifetime_s = 300};
    draft.head = "Content-Type: application/json\r\n";
    draft.body = body;
    store.insert(key, draft, store.begin_fill(), kNow);
}

struct Bench {
    explicit Bench(std::uint32_t count) : entries(count), store({.memory_bytes_max = 1ULL << 30U, .shards = 16}) {
        const auto body = std::make_shared<const std::string>(350, 'x');
        for (std::uint32_t i = 0; i < entries; ++i) {
            texts.push_back(key_text(i));
            put(store, Key(texts.back()), body);
        }
        bench::Dice dice(1);
        const bench::Zipf zipf(entries, 0.99);
        for (int i = 0; i < 1 << 20; ++i) order.push_back(zipf(dice));
        for (const auto at : order) keys.emplace_back(texts[at]);
    }
    std::uint32_t entries;
    ResponseStore store;
    std::vector<std::string> texts;
    std::vector<std::uint32_t> order;
    std::vector<Key> keys;
};

// The least of some rounds: what disturbs only ever adds.
template <class Body>
double ns_each(std::size_t times, Body body) {
    double least = 1e18;
    for (int round = 0; round < kRounds; ++round) {
        const double before = cpu_ns();
        body();
        least = std::min(least, (cpu_ns() - before) / static_cast<double>(times));
    }
    return least;
}

void look_up(Bench& bench, const char* separator) {
    std::uint64_t found = 0;
    const double hit = ns_each(bench.keys.size(), [&] {
        for (const Key& key : bench.keys) found += bench.store.lookup(key, kNow).entry ? 1 : 0;
    });
    // Over a few texts that stay in the cache, as the text of a request does that was just read.
    const double hash = ns_each(bench.order.size(), [&] {
        for (std::size_t i = 0; i < bench.order.size(); ++i) found += hash_key(bench.texts[i % 256]).low & 1U;
    });
    const Key missing("GET nowhere/");
    const double miss = ns_each(bench.keys.size(), [&] {
        for (std::size_t i = 0; i < bench.keys.size(); ++i) found += bench.store.lookup(missing, kNow).entry ? 1 : 0;
    });
    const double copied = ns_each(bench.keys.size(), [&] {
        for (const Key& key : bench.keys) found += bench.store.lookup(key, kNow).entry->shared_body()->size();
    });
    fmt::print(
        "{}\n    {{\"entries\": {}, \"hit_ns\": {:.1f}, \"hash_ns\": {:.1f}, \"miss_ns\": {:.1f}, "
        "\"hit_and_body_ns\": {:.1f}, \"hash_and_hits_a_core_s\": {:.0f}, \"check\": {}}}",
        separator, bench.entries, hit, hash, miss, copied, 1e9 / (hash + hit), found > 0);
    std::fflush(stdout);
}

// Two threads on the same keys: what each look-up costs then, in CPU time of its own thread.
void contended(Bench& bench) {
    std::atomic<int> ready{0};
    std::vector<double> cost(2);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            ready.fetch_add(1);
            while (ready.load() < 2) {
            }
            std::uint64_t found = 0;
            cost[t] = ns_each(bench.keys.size(), [&] {
                for (const Key& key : bench.keys) found += bench.store.lookup(key, kNow).entry ? 1 : 0;
            });
            if (found == 0) cost[t] = -1;
        });
    }
    for (auto& thread : threads) thread.join();
    fmt::print("  \"two_threads_same_keys\": {{\"entries\": {}, \"hit_ns\": [{:.1f}, {:.1f}]}},\n", bench.entries,
               cost[0], cost[1]);
}

void insert_when_full() {
    ResponseStore store({.memory_bytes_max = 64ULL << 20U, .shards = 8});
    const auto body = std::make_shared<const std::string>(350, 'x');
    std::vector<Key> keys;
    for (std::uint32_t i = 0; i < 400'000; ++i) keys.emplace_back(key_text(i));
    for (std::uint32_t i = 0; i < 200'000; ++i) put(store, keys[i], body);
    double before = cpu_ns();
    for (std::uint32_t i = 200'000; i < 400'000; ++i) put(store, keys[i], body);
    const double insert = (cpu_ns() - before) / 200'000;
    const auto entries = static_cast<double>(store.stats().entries);
    before = cpu_ns();
    const auto dropped = store.erase_tag(tag_hash("nothing has it"), kNow);
    const double walk = (cpu_ns() - before) / entries;
    fmt::print(
        "  \"insert_and_evict_ns\": {:.0f},\n  \"invalidation_walk_ns_an_entry\": {:.1f},\n  \"walk_dropped\": {}\n",
        insert, walk, dropped);
}

}  // namespace

int main() {
    fmt::print(
        "{{\n  \"command\": \"bench_cache\",\n  \"unit\": \"CPU time of one thread; least of {} rounds\",\n  "
        "\"look_up\": [",
        kRounds);
    const char* separator = "";
    std::unique_ptr<Bench> bench;
    for (const std::uint32_t entries : {1'000'000U, 100'000U, 10'000U}) {
        bench = std::make_unique<Bench>(entries);
        look_up(*bench, separator);
        separator = ",";
    }
    fmt::print("\n  ],\n");
    contended(*bench);
    insert_when_full();
    fmt::print("}}\n");
    return 0;
}
