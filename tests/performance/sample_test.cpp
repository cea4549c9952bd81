#include "performance/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "drift/dice.h"
#include "performance/measures.h"
#include "performance/sampler.h"
#include "performance/samples.h"

namespace tidegate::performance {
namespace {

using testing::distribution_of;
using testing::sample_of;

double exact(std::vector<double> values, double q) {
    std::ranges::sort(values);
    const double rank = std::ceil(q * static_cast<double>(values.size()));
    return values[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

TEST(Distribution, PercentilesOfMergedCountsAreThoseOfAllValues) {
    drift::Dice dice(7);
    std::vector<double> all;
    Distribution merged;
    for (int part = 0; part < 20; ++part) {
        // Parts of very different size and speed: their percentiles averaged would be far off.
        std::vector<double> some;
        for (int i = 0; i < (part == 0 ? 5000 : 50); ++i) some.push_back(std::exp(dice.normal()) * (part + 1));
        merged.merge(distribution_of(some));
        all.insert(all.end(), some.begin(), some.end());
    }
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
        EXPECT_NEAR(merged.quantile(q) / 1e6, exact(all, q), exact(all, q) * 0.016) << q;
    }
    EXPECT_EQ(merged.count(), all.size());
}

TEST(Distribution, OfNothingKnowsNothing) {
    EXPECT_TRUE(std::isnan(Distribution().quantile(0.5)));
    EXPECT_TRUE(std::isnan(Distribution().mean()));
}

TEST(Sample, PackedAndUnpackedItIsTheSame) {
    Sample sample = sample_of(1'700'000'000'000, {1, 2, 3, 1000}, 1);
    sample.times.emplace("stage.queue", distribution_of({0.5, 0.25}));
    sample.routes[0].slow = 1;
    sample.routes[0].stages.push_back({.stage = "detect", .requests = 4, .ns = 12'345, .slow_ns = 999});
    Sample merged = sample;
    merged.merge(sample_of(1'700'000'010'000, {7}, 0, 0.123456789));
    Names names;
    for (const Sample& one : {sample, merged}) {
        const auto bytes = pack(one, names);
        const auto back = unpack(bytes, names);
        ASSERT_TRUE(back.has_value()) << back.error().message;
        EXPECT_EQ(*back, one);
    }
}

TEST(Sample, BytesThatAreNoneAreRefusedAtEveryLength) {
    Names names;
    const auto bytes = pack(sample_of(1'700'000'000'000, {1, 2, 3}), names);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_FALSE(unpack(std::span(bytes).first(length), names).has_value()) << length;
    }
    EXPECT_FALSE(unpack(bytes, Names()).has_value());
}

std::vector<Sample> some_samples() {
    drift::Dice dice(11);
    std::vector<Sample> all;
    for (int i = 0; i < 30; ++i) {
        std::vector<double> ms;
        for (std::uint64_t k = dice.below(40); k > 0; --k) ms.push_back(std::exp(dice.normal()));
        Sample sample = sample_of(1'700'000'000'000 + i * 10'000, ms, 0, dice.uniform());
        sample.values["heap_used_bytes"] = Value::of(1e8 + static_cast<double>(dice.below(1'000'000)));
        sample.values["negative"] = Value::of(-1.5);
        sample.values["zero"] = Value::of(-0.0);
        if (i % 3 == 0) sample.values.erase("cores");
        if (i == 7) sample.values["cpu_seconds"].merge(Value::of(1e300));
        sample.times.emplace("stage.queue", distribution_of(ms));
        if (!sample.routes.empty()) {
            const std::uint64_t requests = sample.routes[0].requests;
            sample.routes[0].stages = {{.stage = "detect", .requests = requests, .ns = 12'345'678, .slow_ns = 999},
                                       {.stage = "send", .requests = requests + 2, .ns = 1ULL << 63U, .slow_ns = 0},
                                       {.stage = "queue", .requests = 0, .ns = 0, .slow_ns = 0}};
        }
        all.push_back(std::move(sample));
    }
    return all;
}

TEST(Sample, ABlockGivesBackEachSampleExactlyAlsoWhereNamesComeAndGo) {
    Names names;
    const std::vector<Sample> samples = some_samples();
    const auto bytes = pack_block(samples, names);
    ASSERT_TRUE(bytes.has_value());
    const auto back = unpack_block(*bytes, names);
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, samples);
    EXPECT_TRUE(std::signbit(back->front().find("zero")->sum));
    std::size_t alone = 0;
    for (const Sample& sample : samples) alone += pack(sample, names).size();
    EXPECT_LT(bytes->size(), alone * 2 / 3);
}

TEST(Sample, ABlockThatIsCutOrChangedIsRefusedOrReadAsOtherNumbersAndNothingWorse) {
    Names names;
    const auto bytes = *pack_block(some_samples(), names);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        EXPECT_FALSE(unpack_block(std::span(bytes).first(length), names).has_value()) << length;
    }
    drift::Dice dice(12);
    for (int i = 0; i < 3000; ++i) {
        auto changed = bytes;
        for (std::uint64_t k = 1 + dice.below(3); k > 0; --k) {
            changed[dice.below(changed.size())] = static_cast<std::uint8_t>(dice.below(256));
        }
        const auto read = unpack_block(changed, names);
        if (read) {
            EXPECT_LE(read->size(), 30U * 1000);
        }
    }
    EXPECT_FALSE(unpack_block(bytes, Names()).has_value());
}

// A few bytes that promise much: the memory for it is never asked for.
TEST(Sample, ABlockWhosePartsClaimToBeHugeIsRefused) {
    Writer out;
    out.whole(1);
    out.whole(1);
    out.whole(1ULL << 40U);
    out.whole(4);
    for (int i = 0; i < 4; ++i) out.whole(0);
    EXPECT_FALSE(unpack_block(out.bytes(), Names()).has_value());
}

TEST(Sample, ThatIsMergedHasTheSumsAndTheRange) {
    Sample all;
    for (const double cpu : {1.0, 3.0, 2.0}) all.merge(sample_of(1'700'000'000'000, {1, 1}, 1, cpu));
    EXPECT_EQ(all.requests(), 6U);
    EXPECT_EQ(all.errors(), 3U);
    const Value& cpu = *all.find("cpu_seconds");
    EXPECT_EQ(cpu, (Value{.samples = 3, .sum = 6, .least = 1, .most = 3, .last = 2}));
    EXPECT_DOUBLE_EQ(find_measure("cpu_percent")->of(all), 100 * 6.0 / (30 * 2));
}

TEST(Measures, WithoutRequestsThereIsNoLatencyNorShareOfErrors) {
    const Reading reading = reading_of(sample_of(1'700'000'000'000, {}));
    EXPECT_FALSE(reading.values.contains("latency_p95_ms"));
    EXPECT_FALSE(reading.values.contains("error_percent"));
    EXPECT_FALSE(reading.values.contains("hit_percent"));
    EXPECT_TRUE(reading.values.contains("cpu_percent"));
    EXPECT_EQ(reading.values.find("requests_per_second")->second, 0);
}

TEST(Sampler, SamplesAddUpToTheCounters) {
    observe::Histogram latency(observe::HistogramSpec::latency());
    double cpu = 0;
    std::uint64_t requests = 0;
    Sources sources;
    sources.series = {{.name = "cpu_seconds", .unit = "s", .is_total = true, .read = [&] { return cpu; }},
                      {.name = "unknown", .unit = "", .is_total = false, .read = [] { return std::nan(""); }}};
    std::uint64_t slow_from = 0;
    sources.set_slow = [&](const std::string&, const std::string&, std::uint64_t ns) { slow_from = ns; };
    sources.routes = [&] {
        return std::vector<RouteReading>{
            {.method = "GET",
             .route = "/x",
             .requests = requests,
             .errors = 0,
             .slow = 0,
             .latency = latency.snapshot(),
             .stages = {{.stage = "send", .requests = requests, .ns = requests * 10, .slow_ns = 0}}}};
    };
    ManualClock clock;
    Sampler sampler(sources, clock.unix_ms(), clock.now());
    Sample all;
    for (int i = 1; i <= 5; ++i) {
        cpu += i;
        for (int k = 0; k < i; ++k) latency.record(std::chrono::milliseconds(i));
        requests += static_cast<std::uint64_t>(i);
        clock.advance(std::chrono::seconds(10));
        all.merge(sampler.take(clock.unix_ms(), clock.now()));
    }
    EXPECT_EQ(all.requests(), requests);
    EXPECT_EQ(all.latency().count(), requests);
    EXPECT_DOUBLE_EQ(all.find("cpu_seconds")->sum, cpu);
    EXPECT_EQ(all.find("unknown"), nullptr);
    EXPECT_EQ(all.routes[0].stages[0].ns, requests * 10);
    EXPECT_EQ(all.covered, std::chrono::seconds(50));
    EXPECT_NEAR(static_cast<double>(slow_from), 5e6, 8e4);
}

}  // namespace
}  // namespace tidegate::performance
