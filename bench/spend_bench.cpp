// What spend costs: a reservation with its settlement in one process. (The day's sums from the log: bench/statistics_bench.cpp.)
//
// Use         spend_bench [--benchmark_filter=...]
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>

#include "base/strings.h"
#include "pipeline/spend/local_ledger.h"

namespace tidegate::pipeline::spend {
namespace {

constexpr UnixMillis kNoon = 1'772'366'400'000;
constexpr std::size_t kAccounts = 65'536;

std::shared_ptr<Book> make_book() {
    SystemRandom random;
    return std::make_shared<Book>(Zone(), kAccounts, kNoon, random);
}

Payer payer_of(std::uint64_t key, bool with_tenant) {
    return {.actor = mix64(key + 1),
            .tenant = with_tenant ? 99U : 0U,
            .is_address = false,
            .actor_cap = Points::whole(9'000'000'000),
            .tenant_cap = Points::whole(9'000'000'000)};
}

void reserve_and_settle(benchmark::State& state, std::uint64_t keys, bool with_tenant) {
    static std::shared_ptr<Ledger> ledger;  // Made by the first thread before the loop lets any begin.
    if (state.thread_index() == 0) ledger = make_local_ledger(make_book());
    std::uint64_t n = static_cast<std::uint64_t>(state.thread_index()) * 7919;
    for (auto _ : state) {
        auto outcome = ledger->reserve(payer_of(n++ % keys, with_tenant), Points{100}, kNoon, {});
        benchmark::DoNotOptimize(outcome);
        if (outcome && *outcome) (*outcome)->settle(Points{100});
    }
    state.SetItemsProcessed(state.iterations());
}

void OneKey(benchmark::State& state) {
    reserve_and_settle(state, 1, false);
}
void TenThousandKeys(benchmark::State& state) {
    reserve_and_settle(state, 10'000, false);
}
void TenThousandKeysOfATenant(benchmark::State& state) {
    reserve_and_settle(state, 10'000, true);
}
BENCHMARK(OneKey)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(TenThousandKeys)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(TenThousandKeysOfATenant)->Threads(1)->Threads(2)->UseRealTime();

void DayAt(benchmark::State& state) {
    const SystemDisk disk;
    const auto zone = load_zone("Europe/Berlin", disk);
    if (!zone) return state.SkipWithError(zone.error().message.c_str());
    for (auto _ : state) benchmark::DoNotOptimize(zone->day_at(kNoon));
}
BENCHMARK(DayAt);

}  // namespace
}  // namespace tidegate::pipeline::spend

BENCHMARK_MAIN();
