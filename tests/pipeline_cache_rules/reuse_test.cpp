// Reuse of a stored answer: age, freshness, what the client asks for, stale answers and failures (RFC 9111, 4 and 5.2.1; 5861).
#include "pipeline/cache/rules/reuse.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

struct Decided {
    Use use;
    Cause cause;
    std::uint32_t age;
};
Decided decide(Fields response, std::int64_t after_s, Fields request = {}, RoutePolicy policy = {}) {
    if (policy.stale_if_error_s == kAbsent) policy.stale_if_error_s = 1;  // So that all of them are worth keeping.
    const StoreDecision kept = store(response, policy);
    EXPECT_TRUE(kept.store()) << to_string(kept.refusal);
    const ReuseDecision d = reuse(get(request), kept.times, kept.flags, policy, kStart + after_s * 1000);
    return {d.use, d.cause, d.age_s};
}
RoutePolicy heard() {
    RoutePolicy policy;
    policy.wishes = ClientWishes::all();
    return policy;
}

TEST(Age, IsWhatTheOriginSaidPlusTheWayPlusTheTimeHere) {
    EXPECT_EQ(initial_age_s(kAbsent, std::nullopt, 1000, 1000), 0U);
    EXPECT_EQ(initial_age_s(30, std::nullopt, 1000, 6000), 35U);
    EXPECT_EQ(initial_age_s(30, UnixMillis{0}, 100'000, 100'000), 100U);
    EXPECT_EQ(initial_age_s(30, UnixMillis{900'000}, 100'000, 100'000), 30U);
    EXPECT_EQ(initial_age_s(kForever, std::nullopt, 0, 9000), kForever);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=600"}, {"Age", "30"}}, 3).age, 33U);
}

TEST(Age, AClockThatWentBackMakesNothingYounger) {
    EXPECT_EQ(decide({{"Cache-Control", "max-age=600"}, {"Age", "30"}}, -5).age, 30U);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=600"}, {"Age", "30"}}, -5).use, Use::kFresh);
}

TEST(Age, OfAnAnswerFromAheadOfTheClockIsUnknownAndTheAnswerIsChecked) {
    const Fields windows = {{"Cache-Control", "max-age=60, stale-while-revalidate=600, stale-if-error=600"},
                            {"ETag", "\"a\""}};
    EXPECT_EQ(decide(windows, -86'400).use, Use::kValidate);
    EXPECT_EQ(decide(windows, -86'400).age, static_cast<std::uint32_t>(kForever));
    const StoreDecision kept = store(windows);
    EXPECT_FALSE(is_fresh(kept.times, kStart - 5001));
    EXPECT_LT(ttl_s(kept.times, kStart - 5001), 0);
    EXPECT_FALSE(may_stand_in(Fault::kServerError, get(), kept.times, kept.flags, heard(), kStart - 86'400'000));
    // However long it was to live.
    Times times;
    times.response_ms = kStart;
    times.lifetime_s = static_cast<std::uint32_t>(kForever);
    EXPECT_FALSE(is_fresh(times, kStart - 86'400'000));
}

TEST(Age, SaturatesWithoutOverflow) {
    Times times;
    times.initial_age_s = static_cast<std::uint32_t>(kForever);
    times.lifetime_s = static_cast<std::uint32_t>(kForever);
    EXPECT_EQ(age_s(times, std::numeric_limits<UnixMillis>::max() / 2), static_cast<std::uint32_t>(kForever));
    EXPECT_FALSE(is_fresh(times, 0));
    EXPECT_EQ(ttl_s(times, 0), 0);
}

TEST(Freshness, EndsToTheMillisecond) {
    const StoreDecision kept = store({{"Cache-Control", "max-age=3"}});
    EXPECT_TRUE(is_fresh(kept.times, kStart + 2999));
    EXPECT_FALSE(is_fresh(kept.times, kStart + 3000));
}

TEST(Reuse, AStaleAnswerIsValidatedOrFetchedAnew) {
    EXPECT_EQ(decide({{"Cache-Control", "max-age=2"}, {"ETag", "\"a\""}}, 3).use, Use::kValidate);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=2"}, {"Last-Modified", date(-9)}}, 3).use, Use::kValidate);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=2"}}, 3).use, Use::kFetch);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=2"}}, 3).cause, Cause::kStale);
}

TEST(Reuse, NoCacheIsNeverUsedWithoutAsking) {
    EXPECT_EQ(decide({{"Cache-Control", "max-age=100, no-cache"}, {"ETag", "\"a\""}}, 0).use, Use::kValidate);
    EXPECT_EQ(
        decide({{"Cache-Control", "max-age=100, no-cache"}, {"ETag", "\"a\""}}, 0, {{"Cache-Control", "max-stale"}})
            .use,
        Use::kValidate);
}

TEST(Reuse, AClientCannotMakeWorkUnlessTheRouteLetsIt) {
    for (const std::string_view wish : {"no-cache", "max-age=0", "min-fresh=5000", "max-age=1"}) {
        EXPECT_EQ(decide({{"Cache-Control", "max-age=100"}}, 3, {{"Cache-Control", wish}}).use, Use::kFresh) << wish;
        const Decided d =
            decide({{"Cache-Control", "max-age=100"}, {"ETag", "\"a\""}}, 3, {{"Cache-Control", wish}}, heard());
        EXPECT_EQ(d.use, Use::kValidate) << wish;
        EXPECT_EQ(d.cause, Cause::kRequest) << wish;
    }
    EXPECT_EQ(decide({{"Cache-Control", "max-age=100"}}, 3, {{"Pragma", "no-cache"}}).use, Use::kFresh);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=100"}}, 3, {{"Pragma", "no-cache"}}, heard()).use, Use::kFetch);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=100"}}, 3, {{"Pragma", "other"}}, heard()).use, Use::kFresh);
    EXPECT_EQ(
        decide({{"Cache-Control", "max-age=100"}}, 3, {{"Pragma", "no-cache"}, {"Cache-Control", "x"}}, heard()).use,
        Use::kFresh);
}

TEST(Reuse, TheClientsTimesAreComparedWithTheAge) {
    const auto use = [](Fields response, std::string_view wish) {
        return decide(response, 0, {{"Cache-Control", wish}}, heard()).use;
    };
    EXPECT_EQ(use({{"Cache-Control", "max-age=3600"}, {"Age", "1800"}}, "max-age=600"), Use::kFetch);
    EXPECT_EQ(use({{"Cache-Control", "max-age=3600"}, {"Age", "1800"}}, "max-age=1800"), Use::kFresh);
    EXPECT_EQ(use({{"Cache-Control", "max-age=3600"}}, "max-age=0"), Use::kFetch);
    EXPECT_EQ(use({{"Cache-Control", "max-age=1500"}}, "min-fresh=2000"), Use::kFetch);
    EXPECT_EQ(use({{"Cache-Control", "max-age=1500"}, {"Age", "1000"}}, "min-fresh=1000"), Use::kFetch);
    EXPECT_EQ(use({{"Cache-Control", "max-age=1500"}, {"Age", "1000"}}, "min-fresh=500"), Use::kFresh);
}

TEST(Reuse, MaxStaleTakesAStaleAnswerWithinItsBound) {
    const auto use = [](std::string_view response, std::string_view wish) {
        return decide({{"Cache-Control", response}}, 13, {{"Cache-Control", wish}}).use;
    };
    EXPECT_EQ(use("max-age=3", "max-stale=10"), Use::kStale);
    EXPECT_EQ(use("max-age=3", "max-stale=9"), Use::kFetch);
    EXPECT_EQ(use("max-age=3", "max-stale"), Use::kStale);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=3, must-revalidate"}}, 13, {{"Cache-Control", "max-stale"}}).use,
              Use::kFetch);
    EXPECT_EQ(
        decide({{"Cache-Control", "max-age=1500"}, {"Age", "2000"}}, 0, {{"Cache-Control", "max-stale=1000"}}).use,
        Use::kStale);
}

TEST(Reuse, OnlyIfCachedGetsA504InsteadOfWork) {
    EXPECT_EQ(decide({{"Cache-Control", "max-age=3"}}, 9, {{"Cache-Control", "only-if-cached"}}).use,
              Use::kGatewayTimeout);
    EXPECT_EQ(decide({{"Cache-Control", "max-age=9"}}, 3, {{"Cache-Control", "only-if-cached"}}).use, Use::kFresh);
    EXPECT_EQ(nothing_stored(get({{"Cache-Control", "only-if-cached"}}), {}).use, Use::kGatewayTimeout);
    EXPECT_EQ(nothing_stored(get(), {}).use, Use::kFetch);
    EXPECT_EQ(nothing_stored(get(), {}).cause, Cause::kUriMiss);
}

TEST(Reuse, StaleWhileRevalidateHoldsInsideItsWindowOnly) {
    const auto use = [](std::int64_t after_s) {
        return decide({{"Cache-Control", "max-age=1, stale-while-revalidate=4"}, {"ETag", "\"a\""}}, after_s).use;
    };
    EXPECT_EQ(use(0), Use::kFresh);
    EXPECT_EQ(use(1), Use::kStaleRevalidate);
    EXPECT_EQ(use(5), Use::kStaleRevalidate);
    EXPECT_EQ(use(6), Use::kValidate);
}

bool stands_in(Fields response, std::int64_t after_s, Fault fault, const RoutePolicy& policy, Fields request = {}) {
    const StoreDecision kept = store(response, policy);
    return may_stand_in(fault, get(request), kept.times, kept.flags, policy, kStart + after_s * 1000);
}

TEST(StandIn, OnlyInsideStaleIfErrorByDefault) {
    const RoutePolicy policy;
    for (const Fault fault : {Fault::kUnreachable, Fault::kTimeout, Fault::kServerError}) {
        EXPECT_TRUE(stands_in({{"Cache-Control", "max-age=2, stale-if-error=60"}}, 62, fault, policy));
        EXPECT_FALSE(stands_in({{"Cache-Control", "max-age=2, stale-if-error=60"}}, 63, fault, policy));
        EXPECT_FALSE(stands_in({{"Cache-Control", "max-age=2"}}, 3, fault, policy));
    }
}

TEST(StandIn, ARouteMayServeStaleWhenTheOriginIsGoneButNotWhenItSaysNo) {
    RoutePolicy policy;
    policy.stale_when_gone = true;
    EXPECT_TRUE(stands_in({{"Cache-Control", "max-age=2"}}, 9999, Fault::kUnreachable, policy));
    EXPECT_TRUE(stands_in({{"Cache-Control", "max-age=2"}}, 9999, Fault::kTimeout, policy));
    EXPECT_FALSE(stands_in({{"Cache-Control", "max-age=2"}}, 9999, Fault::kServerError, policy));
}

TEST(StandIn, NeverWhereTheOriginForbidsIt) {
    RoutePolicy policy;
    policy.stale_when_gone = true;
    policy.stale_if_error_s = 9999;
    for (const std::string_view never : {"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2"}) {
        const std::string field = "max-age=2, stale-if-error=60, " + std::string(never);
        EXPECT_FALSE(stands_in({{"Cache-Control", field}, {"ETag", "\"a\""}}, 3, Fault::kUnreachable, policy,
                               {{"Cache-Control", "stale-if-error=60"}}))
            << never;
    }
}

TEST(StandIn, TheClientMayWidenTheWindow) {
    EXPECT_TRUE(stands_in({{"Cache-Control", "max-age=2"}}, 5, Fault::kServerError, {},
                          {{"Cache-Control", "stale-if-error=3"}}));
    EXPECT_FALSE(stands_in({{"Cache-Control", "max-age=2"}}, 6, Fault::kServerError, {},
                           {{"Cache-Control", "stale-if-error=3"}}));
}

TEST(StandIn, AFreshAnswerThatTheClientWantedCheckedStandsIn) {
    EXPECT_TRUE(stands_in({{"Cache-Control", "max-age=9, must-revalidate"}}, 3, Fault::kUnreachable, {}));
}

TEST(StandIn, OtherwiseTheStatusSaysWhoFailed) {
    EXPECT_EQ(status_for(Fault::kUnreachable, 0), 502);
    EXPECT_EQ(status_for(Fault::kTimeout, 0), 504);
    EXPECT_EQ(status_for(Fault::kUnreachable, kMustRevalidate), 504);
    EXPECT_TRUE(is_server_error(500) && is_server_error(502) && is_server_error(503) && is_server_error(504));
    EXPECT_FALSE(is_server_error(501) || is_server_error(429) || is_server_error(200));
}

}  // namespace
}  // namespace tidegate::cache::rules
