// What performance samples cost: bytes a sample as it is taken, in blocks, rolled up; 30 days of them; how long opening, looking after and
// reports over a day, a week and 30 days take.
//
// Use         performance_store_bench FOLDER [DAYS, default 60] [ROUTES, default 10] > bench/results/performance_store.json
//             The samples are of a server whose ROUTES are all busy (5 to 80 requests/s each), with 55 numbers and nine stages. A report
//             of 30 days compares with the 30 days before: 60.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "base/strings.h"
#include "drift/dice.h"
#include "performance/report.h"

namespace tidegate::performance {
namespace {

using Steady = std::chrono::steady_clock;
constexpr UnixMillis kEnd = 1'800'000'000'000;

double ms_since(Steady::time_point begin) {
    return std::chrono::duration<double, std::milli>(Steady::now() - begin).count();
}

[[noreturn]] void give_up(std::string_view what) {
    fmt::print(stderr, "{}\n", what);
    std::exit(1);
}

/// Numbers that change as those of a server do: totals by a little, levels rarely, bounds never.
class Generator {
  public:
    explicit Generator(int routes) : routes_(routes) {}

    Sample next(UnixMillis to) {
        // Busier by day.
        const double day = 1 + 0.5 * std::sin(static_cast<double>(to) / 86'400'000 * 6.283);
        Sample out{.from = to - 10'000,
                   .to = to,
                   .covered = std::chrono::microseconds(10'000'000 + dice_.below(900)),
                   .values = {},
                   .times = {},
                   .routes = {}};
        for (int i = 0; i < 20; ++i) out.values.emplace(fmt::format("total_{}", i), Value::of(count(day * 40 * i)));
        for (int i = 0; i < 10; ++i) {
            out.values.emplace(fmt::format("seconds.{}", i), Value::of(0.2 * day + 0.01 * dice_.normal()));
        }
        for (int i = 0; i < 10; ++i) {
            out.values.emplace(fmt::format("bytes_{}", i), Value::of(1e8 + static_cast<double>(dice_.below(1 << 20))));
        }
        for (int i = 0; i < 15; ++i) out.values.emplace(fmt::format("bound_{}", i), Value::of(4096.0 * i));
        for (int i = 0; i < routes_; ++i) out.routes.push_back(route(i, day));
        for (int i = 0; i < 9; ++i) out.times.emplace(fmt::format("stage.{}", i), times(day * 800, 0.02 + 0.05 * i));
        out.times.emplace("database", times(day * 100, 0.2));
        return out;
    }

  private:
    double count(double mean) { return std::max(0.0, std::round(mean + std::sqrt(mean) * dice_.normal())); }
    Distribution times(double mean, double median_ms) {
        observe::Histogram histogram(observe::HistogramSpec::latency());
        for (auto left = static_cast<int>(count(mean)); left > 0; --left) {
            histogram.record(static_cast<std::uint64_t>(median_ms * 1e6 * std::exp(0.5 * dice_.normal())));
        }
        return Distribution(histogram.snapshot());
    }
    RouteSample route(int number, double day) {
        RouteSample out{.method = "POST",
                        .route = fmt::format("/api/v1/route/{}", number),
                        .requests = 0,
                        .errors = dice_.below(100) == 0 ? 1U : 0U,
                        .slow = 0,
                        .latency = times(day * (50 + 75.0 * number), 0.5 + 0.3 * number),
                        .stages = {}};
        out.requests = out.latency.count();
        out.slow = out.requests / 20;
        for (int i = 0; i < 9; ++i) {
            const auto ns = static_cast<std::uint64_t>(out.latency.sum() / 9 * (1 + 0.1 * dice_.normal()));
            out.stages.push_back(
                {.stage = fmt::format("stage_{}", i), .requests = out.requests, .ns = ns, .slow_ns = ns / 7});
        }
        return out;
    }

    const int routes_;
    drift::Dice dice_{17};
};

struct Cost {
    double append_us = 0;
    double longest_ms = 0;
};

Cost fill(SampleStore& store, Generator& generator, int days) {
    Cost cost;
    const std::int64_t count = std::int64_t{days} * 8640;
    // Drawing thousands of times for each of half a million samples would take an hour: 600 of them, over and over, their times made new.
    std::vector<Sample> drawn;
    for (std::int64_t i = 0; i < 600; ++i) drawn.push_back(generator.next(kEnd - i * 10'000));
    for (std::int64_t i = 0; i < count; ++i) {
        Sample& sample = drawn[static_cast<std::size_t>(i % 600)];
        sample.to = kEnd - (count - 1 - i) * 10'000;
        sample.from = sample.to - 10'000;
        const auto began = Steady::now();
        if (!store.append(sample) || !store.look_after(sample.to)) give_up("the store takes no sample");
        const double ms = ms_since(began);
        cost.append_us += ms * 1000 / static_cast<double>(count);
        cost.longest_ms = std::max(cost.longest_ms, ms);
    }
    return cost;
}

double report_ms(SampleStore& store, const Health& health, std::string period) {
    double best = 1e18;
    for (int i = 0; i < 3; ++i) {
        const auto began = Steady::now();
        const auto report = make_report({.store = store, .health = health, .version = "bench", .cpu_percent_max = 80},
                                        period, *parse_period(period), kEnd);
        if (!report || (*report)->now.samples == 0) give_up("there is no report");
        best = std::min(best, ms_since(began));
    }
    return best;
}

/// 30 days read from samples of one step alone: what a report would cost with them.
double read_ms(SampleStore& store, std::int64_t step_ms) {
    constexpr std::int64_t kMonthMs = 30LL * 86'400'000;
    const auto began = Steady::now();
    Sample all;
    if (!store.scan(kEnd - kMonthMs, kEnd, step_ms, [&](Sample&& sample) {
            all.merge(sample);
            return true;
        })) {
        give_up("the samples cannot be read");
    }
    return ms_since(began);
}

int run(const std::string& folder, int days, int routes) {
    const std::string path = folder + "/performance_bench.db";
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end);
    constexpr std::int64_t kDayMs = 86'400'000;
    const SystemClock clock;
    const StoreOptions options{
        .path = path, .keep_fine_ms = 30 * kDayMs, .keep_ms = 366 * kDayMs, .bytes_max = 1ULL << 40U};
    Generator generator(routes);
    Names names;
    std::vector<Sample> some;
    for (int i = 0; i < 30; ++i) some.push_back(generator.next(kEnd - (30 - i) * 10'000));
    std::size_t alone = 0;
    Sample merged;
    for (const Sample& one : some) {
        alone += pack(one, names).size();
        merged.merge(one);
    }
    const auto packing = Steady::now();
    const auto block = pack_block(some, names);
    const double pack_ms = ms_since(packing);
    if (!block) give_up("no block");
    const auto unpacking = Steady::now();
    if (unpack_block(*block, names)->size() != 30) give_up("not what was packed");
    const double unpack_ms = ms_since(unpacking);
    Cost cost;
    {
        auto store = SampleStore::open(options, clock);
        if (!store) give_up(store.error().message);
        cost = fill(**store, generator, days);
    }
    const auto opening = Steady::now();
    auto store = SampleStore::open(options, clock);
    const double open_ms = ms_since(opening);
    if (!store) give_up(store.error().message);
    const auto sizing = Steady::now();
    const auto size = (*store)->size();
    const double size_ms = ms_since(sizing);
    const Health health{PerformanceSettings{}};
    fmt::print(
        "{{\"benchmark\":\"performance_store\",\"days\":{},\"routes\":{},\"fine_kept\":{},\"rolled_kept\":{},\n"
        " \"bytes_in_use\":{},\"bytes_a_sample_alone\":{},\"bytes_a_sample_in_a_block\":{},\"bytes_rolled\":{},\n"
        " \"pack_block_ms\":{:.2f},\"unpack_block_ms\":{:.2f},\"append_us\":{:.1f},\"append_longest_ms\":{:.1f},\n"
        " \"open_ms\":{:.2f},\"size_ms\":{:.2f},",
        days, routes, size->fine, size->rolled, size->bytes, alone / 30, block->size() / 30, pack(merged, names).size(),
        pack_ms, unpack_ms, cost.append_us, cost.longest_ms, open_ms, size_ms);
    fmt::print("\n \"read_30d_fine_ms\":{:.0f},\"read_30d_5min_ms\":{:.0f},\"read_30d_hours_ms\":{:.0f},\n ",
               read_ms(**store, 0), read_ms(**store, 900'000), read_ms(**store, 10'800'000));
    for (const char* period : {"1h", "24h", "7d", "30d"}) {
        fmt::print("\"report_{}_ms\":{:.1f}{}", period, report_ms(**store, health, period),
                   period[0] == '3' ? "}\n" : ",");
    }
    return 0;
}

}  // namespace
}  // namespace tidegate::performance

int main(int count, char** words) {
    if (count < 2) {
        fmt::print(stderr, "performance_store_bench FOLDER [DAYS] [ROUTES]\n");
        return 2;
    }
    const auto number = [&](int at, int preset) {
        return count > at ? static_cast<int>(tidegate::parse_u64(words[at]).value_or(1)) : preset;
    };
    return tidegate::performance::run(words[1], number(2, 60), number(3, 10));
}
