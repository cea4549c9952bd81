// What spend costs: a reservation with its settlement in one process, and the day's sums from a log at a start.
//
// Use         spend_bench [--benchmark_filter=...]; SPEND_LOG_ROWS (default 1000000) decisions are written to a folder of the
//             system's temporary directory first when FromLog runs.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "audit/sqlite_log.h"
#include "audit/views/spend.h"
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

class Log {
  public:
    explicit Log(std::uint64_t rows) {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
        const SystemClock clock;
        const auto log =
            audit::open_sqlite_log({.path = path(), .durability = audit::Durability::kProcess, .vfs = {}}, clock);
        if (!log) std::abort();
        SystemRandom random;
        std::atomic<std::size_t> in_flight{0};
        for (std::uint64_t n = 0; n < rows; n += kBatch) {
            std::vector<audit::Decision> batch;
            for (std::uint64_t i = n; i < n + kBatch; ++i) batch.push_back(decision(i, clock, random));
            for (std::size_t seen = in_flight; seen >= 8; seen = in_flight) in_flight.wait(seen);
            ++in_flight;
            (*log)->append_batch(std::move(batch), [&](const Result<void>& done) {
                if (!done) std::abort();
                --in_flight;
                in_flight.notify_one();
            });
        }
        (*log)->flush();
    }
    ~Log() { std::filesystem::remove_all(folder_); }
    std::string path() const { return (folder_ / "log.db").string(); }

  private:
    static constexpr std::uint64_t kBatch = 500;
    // As detect/text stores one; 10,000 keys, of 100 tenants.
    static audit::Decision decision(std::uint64_t n, const Clock& clock, Random& random) {
        audit::Decision out;
        out.id = make_uuid7(clock, random);
        out.request_id = to_string(out.id);
        out.actor = "key:" + std::to_string(mix64(n) % 10'000);
        out.tenant = "tenant-" + std::to_string(mix64(n) % 100);
        out.service = "provenance";
        out.operation = "detect/text";
        out.input_hash = sha256(std::to_string(n));
        out.input_size = 2'000;
        out.output = R"({"confidence":0.8125,"signals":")" + std::string(360, 's') + "\"}";
        out.stages = {{"parse", 12}, {"features", 150}, {"score", 40}, {"render", 9}};
        out.spend_points = Points::whole(1);
        return out;
    }
    const std::filesystem::path folder_ = std::filesystem::temp_directory_path() / "tidegate-spend-bench";
};

void FromLog(benchmark::State& state) {
    const char* const asked = std::getenv("SPEND_LOG_ROWS");
    const std::uint64_t rows = parse_u64(asked == nullptr ? "" : asked).value_or(1'000'000);
    const Log log(rows);
    for (auto _ : state) {
        const auto pool = audit::ReaderPool::open({.path = log.path(), .vfs = {}});
        const auto spent = audit::SpendView(*pool).read(0);
        if (!spent || spent->decisions != rows) return state.SkipWithError("the sums are wrong");
        make_book()->load(*spent);
    }
    state.counters["rows"] = static_cast<double>(rows);
}
BENCHMARK(FromLog)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace tidegate::pipeline::spend

BENCHMARK_MAIN();
