#include "pipeline/cache/settings.h"

#include <gtest/gtest.h>

#include "pipeline/cache/metrics.h"

namespace tidegate::cache {
namespace {

TEST(CacheSettings, DefaultsAreThoseOfTheOptions) {
    settings::Table table;
    CacheSettings settings;
    declare(table, settings);
    table.check();
    EXPECT_NE(table.find("cache.memory_bytes_max"), nullptr);
    EXPECT_EQ(store_options(settings).memory_bytes_max, StoreOptions{}.memory_bytes_max);
    EXPECT_EQ(store_options(settings).keep_stale, StoreOptions{}.keep_stale);
    EXPECT_FALSE(wants_second_level(settings, false));
    EXPECT_TRUE(wants_second_level(settings, true));
    settings.l2 = false;
    EXPECT_FALSE(wants_second_level(settings, true));
    settings.prefix = "x";
    EXPECT_EQ(second_level_options(settings).prefix, "x:cache");
    settings.waiters_max = 7;
    EXPECT_EQ(flight_options(settings).waiters_max, 7U);
}

TEST(CacheMetrics, AreDeclaredOnceAndShowWhatWasCounted) {
    observe::Registry registry;
    Flights flights(FlightOptions{});
    L2Counters counters;
    declare_metrics(registry, flights);
    declare_metrics(registry, counters);
    const auto leader = flights.lead(Key("GET a/"), {});
    counters.corrupt = 3;
    const std::string text = registry.render(observe::Exposition::kPrometheusText);
    EXPECT_NE(text.find("tidegate_cache_flights_total{role=\"led\"} 1"), std::string::npos) << text;
    EXPECT_NE(text.find("tidegate_cache_l2_reads_total{outcome=\"corrupt\"} 3"), std::string::npos);
    EXPECT_NE(text.find("tidegate_cache_flights_now{what=\"led\"} 1"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::cache
