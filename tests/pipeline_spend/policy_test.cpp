// What the settings mean for a request, and what answers say about spend.
#include "pipeline/spend/policy.h"

#include <gmock/gmock.h>

#include "fixture.h"

namespace tidegate::pipeline::spend {
namespace {

using audit::CacheState;
using audit::Status;

TEST(SpendPolicy, AKeysOwnCapComesFirstAndAddressesHaveTheirs) {
    const SpendPolicy policy({.key_daily_cap = "10", .address_daily_cap = "0.5", .tenant_daily_cap = "100"});
    Caller caller;
    caller.actor_hash = 1;
    caller.tenant_hash = 2;
    EXPECT_EQ(policy.payer(caller).actor_cap, Points{500});
    EXPECT_TRUE(policy.payer(caller).is_address);
    EXPECT_EQ(policy.payer(caller).tenant, 0U) << "no tenant, whatever its hash says";
    caller.kind = Caller::Kind::kKey;
    caller.tenant = "acme";
    EXPECT_EQ(policy.payer(caller).actor_cap, Points::whole(10));
    EXPECT_EQ(policy.payer(caller).tenant, 2U);
    EXPECT_EQ(policy.payer(caller).tenant_cap, Points::whole(100));
    caller.daily_cap = Points::whole(3);
    EXPECT_EQ(policy.payer(caller).actor_cap, Points::whole(3));
}

TEST(SpendPolicy, FailuresAndCacheHitsAreRefundedUnlessTheSettingsCharge) {
    const SpendPolicy lenient(SpendSettings{});
    const Points cost = Points::whole(1);
    EXPECT_EQ(lenient.charge(cost, Status::kSuccess, CacheState::kMiss), cost);
    EXPECT_EQ(lenient.charge(cost, Status::kSuccess, CacheState::kBypass), cost);
    for (const Status status : {Status::kError, Status::kRefused, Status::kTimeout, Status::kCancelled}) {
        EXPECT_EQ(lenient.charge(cost, status, CacheState::kMiss), Points{});
    }
    EXPECT_EQ(lenient.charge(cost, Status::kSuccess, CacheState::kHit), Points{});
    EXPECT_EQ(lenient.charge(cost, Status::kSuccess, CacheState::kStale), Points{});
    const SpendPolicy strict({.charge_failures = true, .charge_cache_hits = true});
    EXPECT_EQ(strict.charge(cost, Status::kError, CacheState::kHit), cost);
}

TEST(SpendAnswers, ARefusalNamesTheCapAndWhenItResetsAndSaysNotToRetry) {
    const Refusal refusal{.cap = Cap::kTenant,
                          .balance = {Points{4950}, Points{}, Points::whole(5)},
                          .until_reset = true,
                          .resets_at = kNoon + kDayMs / 2};
    const Error error = error_of(refusal, kTenth, Zone());
    EXPECT_EQ(error.code, ErrorCode::kResourceExhausted);
    EXPECT_EQ(
        error.message,
        "this operation costs 0.1 points; the daily cap of the tenant is 5, of which 4.95 are spent; it resets at "
        "2026-03-02T00:00:00Z (UTC)");
    http::Headers headers;
    add_refusal_headers(headers, refusal, kTenth, kNoon + 1);
    EXPECT_EQ(headers.get("Retry-After"), "43200");
    EXPECT_EQ(headers.get("x-should-retry"), "false");
    EXPECT_EQ(headers.get("X-Spend-Cost"), "0.1");
    EXPECT_EQ(headers.get("X-Spend-Remaining"), "0.05");
}

TEST(SpendAnswers, RoomThatOpenRequestsHoldMayComeBackSoon) {
    const Refusal refusal{.balance = {Points{}, Points::whole(5), Points::whole(5)}, .resets_at = kNoon + kDayMs / 2};
    http::Headers headers;
    add_refusal_headers(headers, refusal, kTenth, kNoon);
    EXPECT_EQ(headers.get("Retry-After"), "1");
    EXPECT_EQ(headers.get("x-should-retry"), std::nullopt);
    EXPECT_THAT(error_of(refusal, kTenth, Zone()).message, ::testing::HasSubstr("5 held by open requests"));
}

TEST(SpendAnswers, UsageIsExactAndSaysWhatHasNoCap) {
    const Usage usage{.actor = {kTenth + kTenth + kTenth, kTenth, Points::whole(5)},
                      .tenant = Balance{Points{300}, {}, {}},
                      .day_began = kNoon - kDayMs / 2,
                      .resets_at = kNoon + kDayMs / 2};
    std::string out;
    JsonWriter writer(out);
    append_json(writer, usage, Zone(), false);
    EXPECT_EQ(out, R"({"day":{"began":"2026-03-01T00:00:00Z","resets_at":"2026-03-02T00:00:00Z","time_zone":"UTC"},)"
                   R"("own":{"spent":0.3,"reserved":0.1,"cap":5,"remaining":4.6},)"
                   R"("tenant":{"spent":0.3,"reserved":0,"cap":null,"remaining":null},"degraded":false})");
}

TEST(SpendSettingsTable, CapsAndZoneAreCheckedWhenTheyAreRead) {
    EXPECT_TRUE(check_cap("12.345"));
    EXPECT_FALSE(check_cap("-1"));
    EXPECT_FALSE(check_cap("1.2345"));
    EXPECT_TRUE(check_zone_name("Europe/Berlin"));
    EXPECT_FALSE(check_zone_name("../etc"));
    settings::Table table;
    SpendSettings settings;
    declare(table, settings);
    table.check();
    EXPECT_EQ(settings.time_zone, "UTC");
}

}  // namespace
}  // namespace tidegate::pipeline::spend
