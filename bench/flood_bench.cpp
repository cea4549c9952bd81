// What a flood score costs: a place by its rain in vector code, a place of a gauged basin, a reading of a sensor.
//
// Use         flood_bench [--benchmark_filter=...]; results in bench/results/flood_bench.json
#include <benchmark/benchmark.h>

#include <array>
#include <cmath>
#include <vector>

#include "services/flood/hydro/calibrate.h"
#include "services/flood/hydro/indicative.h"
#include "services/flood/sensor/context_memory.h"
#include "services/flood/sensor/device.h"
#include "services/flood/sensor/evaluate.h"

namespace tidegate::flood {
namespace {

/// Five hundred places: the batch of the origin's table.
struct Places {
    std::vector<float> rain, wetness, dry, wet, runoff, odds;
    explicit Places(std::size_t n) : runoff(n), odds(n) {
        for (std::size_t i = 0; i < n; ++i) {
            const Retention ground = retention_of({.curve_number = 40.0 + static_cast<double>(i % 60)});
            rain.push_back(static_cast<float>(i % 200));
            wetness.push_back(static_cast<float>(i % 17) / 17);
            dry.push_back(ground.dry);
            wet.push_back(ground.wet);
        }
    }
};

void PlaceByItsRainVectorised(benchmark::State& state) {
    Places places(500);
    double sum = 0;
    for (auto _ : state) {
        score({places.rain, places.wetness, places.dry, places.wet, places.runoff, places.odds});
        for (const float odds : places.odds) {
            for (const double p : probabilities(odds)) sum += p;
        }
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(PlaceByItsRainVectorised);

Series made_up() {
    Series series;
    const HydroModel truth({.production_mm = 250, .exchange_mm = -0.5, .routing_mm = 60, .base_steps = 1.6}, false);
    HydroState state = truth.usual_state();
    for (int day = 0; day < 2190; ++day) {
        const double rain = day % 3 == 0 ? 4 + 4 * std::sin(day) : 0;
        series.precip.push_back(rain);
        series.pet.push_back(1.5);
        series.temp.push_back(10);
        series.flow.push_back(truth.step(state, {rain, 1.5, 10}) * std::exp(0.1 * std::sin(day * 0.1)));
    }
    return series;
}

void PlaceOfAGaugedBasin(benchmark::State& state) {
    const auto basin = calibrate(made_up(), {.trials = 50});
    if (!basin) return state.SkipWithError("no basin");
    const HydroModel model = basin->model();
    const Standing now = standing_of(*basin);
    double rain = 0;
    for (auto _ : state) {
        rain = rain > 80 ? 0 : rain + 1;
        const Weather ahead{rain, 1.5, 10};
        FlowForecast at;
        forecast(*basin, model, now, {&ahead, 1}, {&at, 1});
        for (const double level : basin->thresholds.levels) benchmark::DoNotOptimize(at.probability(*basin, level));
    }
}
BENCHMARK(PlaceOfAGaugedBasin);

void ReadingOfADevice(benchmark::State& state) {
    Device device;
    UnixMillis time = 0;
    for (auto _ : state) {
        time += 900'000;
        const double level =
            100 + 8 * std::sin(static_cast<double>(time) / 5e7) + 0.3 * std::sin(static_cast<double>(time) / 1e6);
        const std::array<FieldReading, 2> fields{{{"water_level_cm", level}, {"rainfall_mm", 0}}};
        benchmark::DoNotOptimize(device.add({time, fields, std::nullopt}, kThresholds));
    }
}
BENCHMARK(ReadingOfADevice);

void ValueThroughTheContextMemory(benchmark::State& state) {
    ContextMemory memory;
    double x = 0;
    // A whole window: what a value costs for good.
    for (std::size_t i = 0; i < ContextMemory::kWindow; ++i) memory.add(std::sin(x += 0.1), kPatternThreshold);
    for (auto _ : state) benchmark::DoNotOptimize(memory.add(std::sin(x += 0.1), kPatternThreshold));
}
BENCHMARK(ValueThroughTheContextMemory);

void CalibrationOfSixYearsOfDays(benchmark::State& state) {
    const Series series = made_up();
    for (auto _ : state) benchmark::DoNotOptimize(calibrate(series));
}
BENCHMARK(CalibrationOfSixYearsOfDays)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace tidegate::flood

BENCHMARK_MAIN();
