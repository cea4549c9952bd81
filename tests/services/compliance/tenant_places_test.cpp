// One tenant takes its share of the places that all have together, and no more.
#include "services/compliance/tenant_places.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace tidegate::compliance {
namespace {

TEST(TenantPlaces, OneTenantTakesItsShareAndTheRestStaysForTheOthers) {
    std::optional<TenantPlaces> places;
    places.emplace();
    std::vector<TenantPlaces::Place> held;
    const auto take = [&](const Reach& reach) {
        auto place = places->take(reach, {6, 50}, "streams", "compliance.streams_max");
        if (!place) return std::optional(place.error().code);
        held.push_back(*std::move(place));
        return std::optional<ErrorCode>();
    };
    const Reach north{.all = false, .tenant = "north"};
    const Reach south{.all = false, .tenant = "south"};
    const Reach auditor{.all = true, .tenant = {}};
    for (int n = 0; n < 3; ++n) EXPECT_EQ(take(north), std::nullopt);
    EXPECT_EQ(take(north), ErrorCode::kResourceExhausted);
    EXPECT_EQ(places->refused_share(), 1U);
    EXPECT_EQ(take(south), std::nullopt);
    EXPECT_EQ(take(auditor), std::nullopt);
    EXPECT_EQ(take(auditor), std::nullopt);  // Who sees all is no tenant.
    EXPECT_EQ(places->taken(), 6U);
    EXPECT_EQ(take(south), ErrorCode::kUnavailable);
    EXPECT_EQ(places->refused_full(), 1U);
    held.erase(held.begin());
    EXPECT_EQ(take(north), std::nullopt);
    places.reset();
    held.clear();  // After the object.
}

TEST(TenantPlaces, WithOnePlaceATenantMayTakeIt) {
    EXPECT_EQ(part_of(1, 50), 1U);
    EXPECT_EQ(part_of(2, 50), 1U);
    EXPECT_EQ(part_of(100, 50), 50U);
    EXPECT_EQ(part_of(3, 100), 3U);
}

}  // namespace
}  // namespace tidegate::compliance
