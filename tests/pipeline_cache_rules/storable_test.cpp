// What a shared cache may keep (RFC 9111, 3; 9213; 5861), and for how long (4.2).
#include "pipeline/cache/rules/storable.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

TEST(Storable, NothingIsKeptWithoutFreshnessOrAUse) {
    EXPECT_EQ(store({}).refusal, Refusal::kNotFresh);
    EXPECT_EQ(store({{"ETag", "\"a\""}}).refusal, Refusal::kNotFresh);
    EXPECT_EQ(store({{"Cache-Control", "max-age=0"}}).refusal, Refusal::kNotFresh);
    EXPECT_TRUE(store({{"Cache-Control", "max-age=0"}, {"ETag", "\"a\""}}).store());
    EXPECT_TRUE(store({{"Cache-Control", "no-cache"}, {"ETag", "\"a\""}}).store());
    EXPECT_EQ(store({{"Cache-Control", "no-cache"}, {"ETag", "unquoted"}}).refusal, Refusal::kNotFresh);
    EXPECT_TRUE(store({{"Cache-Control", "max-age=0, stale-if-error=5"}}).store());
}

TEST(Storable, AValidatorAloneIsAUseWhereTheRouteSaysSo) {
    RoutePolicy policy;
    policy.store_unfresh = true;
    EXPECT_TRUE(store({{"ETag", "\"a\""}}, policy).store());
    EXPECT_EQ(store({{"ETag", "\"a\""}}, policy, 201).refusal, Refusal::kNotFresh);
    EXPECT_FALSE(reused({{"ETag", "\"a\""}}, 0, policy));
}

struct FreshnessCase {
    std::string_view what;
    http::Headers response;
    std::int64_t after_s;
    bool reused;
};
class FreshnessTable : public testing::TestWithParam<FreshnessCase> {};
TEST_P(FreshnessTable, Holds) {
    EXPECT_EQ(reused(GetParam().response, GetParam().after_s), GetParam().reused) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    Explicit, FreshnessTable,
    testing::Values(
        FreshnessCase{"max-age", headers({{"Cache-Control", "max-age=3600"}}), 3, true},
        FreshnessCase{"max-age to its last second", headers({{"Cache-Control", "max-age=3"}}), 2, true},
        FreshnessCase{"max-age is over at its end", headers({{"Cache-Control", "max-age=3"}}), 3, false},
        FreshnessCase{"a huge max-age", headers({{"Cache-Control", "max-age=99999999999"}}), 3, true},
        FreshnessCase{"max-age=2^31", headers({{"Cache-Control", "max-age=2147483648"}}), 3, true},
        FreshnessCase{"Age over max-age", headers({{"Cache-Control", "max-age=3600"}, {"Age", "7200"}}), 0, false},
        FreshnessCase{"an old Date", headers({{"Cache-Control", "max-age=3600"}, {"Date", date(-7200)}}), 0, false},
        FreshnessCase{"max-age beats a past Expires",
                      headers({{"Cache-Control", "max-age=3600"}, {"Expires", date(-7200)}, {"Date", date(0)}}), 3,
                      true},
        FreshnessCase{"max-age beats a broken Expires", headers({{"Cache-Control", "max-age=3600"}, {"Expires", "0"}}),
                      3, true},
        FreshnessCase{"max-age=0 beats a future Expires",
                      headers({{"Cache-Control", "max-age=0"}, {"Expires", date(3600)}}), 0, false},
        FreshnessCase{"s-maxage beats a longer max-age", headers({{"Cache-Control", "max-age=3600, s-maxage=1"}}), 3,
                      false},
        FreshnessCase{"s-maxage beats max-age and Expires",
                      headers({{"Expires", date(-10)}, {"Cache-Control", "max-age=0, s-maxage=3600"}}), 3, true},
        FreshnessCase{"Expires", headers({{"Expires", date(100)}, {"Date", date(0)}}), 3, true},
        FreshnessCase{"Expires now", headers({{"Expires", date(0)}, {"Date", date(0)}}), 0, false},
        FreshnessCase{"Expires before Date", headers({{"Expires", date(300)}, {"Date", date(400)}}), 3, false},
        FreshnessCase{"Expires with a Date that cannot be read", headers({{"Expires", date(10)}, {"Date", "foo"}}), 0,
                      true},
        FreshnessCase{"Age over Expires - Date, slow Date",
                      headers({{"Date", date(-10)}, {"Expires", date(10)}, {"Age", "25"}}), 0, false},
        FreshnessCase{"Age over Expires - Date, fast Date",
                      headers({{"Date", date(10)}, {"Expires", date(20)}, {"Age", "15"}}), 0, false},
        FreshnessCase{"two Expires", headers({{"Expires", date(100)}, {"Expires", date(100)}}), 0, false},
        FreshnessCase{"Expires in the format of RFC 850", headers({{"Expires", "Thursday, 18-Aug-50 02:01:18 GMT"}}), 3,
                      true},
        FreshnessCase{"Expires in another zone", headers({{"Expires", "Thu, 18 Aug 2050 02:01:18 AEST"}}), 0, false}));

INSTANTIATE_TEST_SUITE_P(
    Age, FreshnessTable,
    testing::Values(
        FreshnessCase{"no number", headers({{"Cache-Control", "max-age=3600"}, {"Age", "abc"}}), 0, true},
        FreshnessCase{"negative", headers({{"Cache-Control", "max-age=3600"}, {"Age", "-7200"}}), 0, true},
        FreshnessCase{"with places", headers({{"Cache-Control", "max-age=3600"}, {"Age", "7200.0"}}), 0, true},
        FreshnessCase{"2^31", headers({{"Cache-Control", "max-age=3600"}, {"Age", "2147483648"}}), 0, false},
        FreshnessCase{"beyond all bounds",
                      headers({{"Cache-Control", "max-age=3600"}, {"Age", "99999999999999999999"}}), 0, false},
        FreshnessCase{"old, 0", headers({{"Cache-Control", "max-age=3600"}, {"Age", "7200, 0"}}), 0, false},
        FreshnessCase{"0, old", headers({{"Cache-Control", "max-age=3600"}, {"Age", "0, 7200"}}), 0, true},
        FreshnessCase{"old and 0", headers({{"Cache-Control", "max-age=3600"}, {"Age", "7200"}, {"Age", "0"}}), 0,
                      false},
        FreshnessCase{"0 and old", headers({{"Cache-Control", "max-age=3600"}, {"Age", "0"}, {"Age", "7200"}}), 0,
                      true}));

INSTANTIATE_TEST_SUITE_P(
    Targeted, FreshnessTable,
    testing::Values(
        FreshnessCase{"alone", headers({{"CDN-Cache-Control", "max-age=3600"}}), 3, true},
        FreshnessCase{"over Expires", headers({{"CDN-Cache-Control", "max-age=3600"}, {"Expires", "0"}}), 3, true},
        FreshnessCase{"max-age=0 and a future Expires",
                      headers({{"CDN-Cache-Control", "max-age=0"}, {"Expires", date(3600)}}), 0, false},
        FreshnessCase{"long over short",
                      headers({{"Cache-Control", "max-age=1"}, {"CDN-Cache-Control", "max-age=3600"}}), 3, true},
        FreshnessCase{"short over long",
                      headers({{"Cache-Control", "max-age=3600"}, {"CDN-Cache-Control", "max-age=1"}}), 3, false},
        FreshnessCase{"fresh over no-store",
                      headers({{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=9"}}), 3, true},
        FreshnessCase{"no-store over fresh",
                      headers({{"Cache-Control", "max-age=9"}, {"CDN-Cache-Control", "no-store"}}), 0, false},
        FreshnessCase{"no-cache over fresh",
                      headers({{"Cache-Control", "max-age=9"}, {"CDN-Cache-Control", "no-cache"}}), 0, false},
        FreshnessCase{"private over fresh", headers({{"Cache-Control", "max-age=9"}, {"CDN-Cache-Control", "private"}}),
                      0, false},
        FreshnessCase{"with Age", headers({{"CDN-Cache-Control", "max-age=3600"}, {"Age", "7200"}}), 0, false},
        FreshnessCase{"not a structured field falls back",
                      headers({{"Cache-Control", "no-store"}, {"CDN-Cache-Control", "max-age=10000, &&&"}}), 0, false},
        FreshnessCase{"a time of the wrong type", headers({{"CDN-Cache-Control", "max-age=\"10000\""}}), 0, false}));

TEST(Storable, AStrictRouteTakesAnyAgeButOneNumberAsOld) {
    RoutePolicy strict;
    strict.strict_age = true;
    for (const std::string_view age : {"abc", "-7200", "7200.0", "0, 0", "0,7200", "3600, 3600", "0;foo=1", ""}) {
        EXPECT_FALSE(reused({{"Cache-Control", "max-age=10000"}, {"Age", age}}, 0, strict)) << age;
    }
    EXPECT_FALSE(reused({{"Cache-Control", "max-age=10000"}, {"Age", "0"}, {"Age", "0"}}, 0, strict));
    EXPECT_TRUE(reused({{"Cache-Control", "max-age=10000"}, {"Age", "30"}}, 0, strict));
    EXPECT_TRUE(reused({{"Cache-Control", "max-age=10000"}}, 0, strict));
}

TEST(Storable, RestrictionsOfTheAnswerHold) {
    EXPECT_EQ(store({{"Cache-Control", "No-StOrE, max-age=9"}}).refusal, Refusal::kNoStore);
    EXPECT_EQ(store({{"Cache-Control", "private, max-age=9"}}).refusal, Refusal::kPrivate);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}, {"Vary", "*"}}).refusal, Refusal::kVaryStar);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}, {"Vary", "a, b c"}}).refusal, Refusal::kVaryStar);
    std::string many = "a0";
    for (int i = 1; i < 20; ++i) many += ",a" + std::to_string(i);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}, {"Vary", many}}).refusal, Refusal::kVaryTooLarge);
}

TEST(Storable, OnlyFinalWholeAnswersOfReadsAreKept) {
    for (const int status : {100, 102, 103, 206, 304, 999}) {
        EXPECT_EQ(store({{"Cache-Control", "max-age=9"}}, {}, status).refusal, Refusal::kStatus) << status;
    }
    for (const int status :
         {200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599}) {
        EXPECT_TRUE(reused({{"Cache-Control", "max-age=9"}}, 3, {}, status)) << status;
        EXPECT_FALSE(reused({{"Expires", date(-5)}, {"Last-Modified", date(-90)}}, 0, {}, status)) << status;
    }
    using http::Method;
    for (const Method method : {Method::kHead, Method::kPost, Method::kPut, Method::kOther}) {
        EXPECT_EQ(store({{"Cache-Control", "max-age=9"}}, {}, 200, read_request(method, {}, false)).refusal,
                  Refusal::kMethod);
    }
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}}, {}, 200, read_request(Method::kGet, {}, true)).refusal,
              Refusal::kRequestBody);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}}, {}, 200, get({{"Cache-Control", "no-store"}})).refusal,
              Refusal::kRequestNoStore);
}

TEST(Storable, MustUnderstandForbidsUnknownStatusAndLiftsNoStoreForKnownOnes) {
    EXPECT_EQ(store({{"Cache-Control", "max-age=9, must-understand"}}, {}, 599).refusal, Refusal::kStatus);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9, no-store, must-understand"}}, {}, 599).refusal, Refusal::kStatus);
    EXPECT_TRUE(store({{"Cache-Control", "max-age=9, no-store, must-understand"}}, {}, 200).store());
}

TEST(Storable, AnswersToCredentialsAreSharedOnlyWhenTheOriginSaysSo) {
    const RequestFacts request = get({{"Authorization", "Bearer x"}});
    const auto refusal = [&](Fields fields, const RoutePolicy& policy = {}) {
        return store(fields, policy, 200, request).refusal;
    };
    EXPECT_EQ(refusal({{"Expires", date(900)}}), Refusal::kAuthorization);
    EXPECT_EQ(refusal({{"Cache-Control", "max-age=9"}}), Refusal::kAuthorization);
    EXPECT_EQ(refusal({{"Cache-Control", "max-age=9, public"}}), Refusal::kNone);
    EXPECT_EQ(refusal({{"Cache-Control", "max-age=9, must-revalidate"}}), Refusal::kNone);
    EXPECT_EQ(refusal({{"Cache-Control", "s-maxage=9"}}), Refusal::kNone);
    RoutePolicy own_key;
    own_key.caller_in_key = true;
    EXPECT_EQ(refusal({{"Cache-Control", "max-age=9"}}, own_key), Refusal::kNone);
    EXPECT_EQ(refusal({{"Cache-Control", "private, max-age=9"}}, own_key), Refusal::kPrivate);
}

TEST(Storable, ALifetimeOfOurOwnNeverSharesWhatWasAnsweredToSomebody) {
    RoutePolicy policy;
    policy.ttl_use = TtlUse::kSilent;
    policy.ttl_s = 60;
    EXPECT_TRUE(store({}, policy).store());
    EXPECT_EQ(store({}, policy, 200, get({{"Cookie", "a=b"}})).refusal, Refusal::kCredentials);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}}, policy, 200, get({{"Cookie", "a=b"}})).refusal, Refusal::kNone);
    EXPECT_EQ(store({{"Cache-Control", "public"}}, policy, 200, get({{"Cookie", "a=b"}})).refusal, Refusal::kNone);
    policy.caller_in_key = true;
    EXPECT_TRUE(store({}, policy, 200, get({{"Cookie", "a=b"}, {"Authorization", "x"}})).store());
}

TEST(Storable, CookiesAreNotSharedUnlessTheRouteSaysSo) {
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}, {"Set-Cookie", "a=b"}}).refusal, Refusal::kSetCookie);
    RoutePolicy share;
    share.share_set_cookie = true;
    EXPECT_TRUE(store({{"Cache-Control", "max-age=9"}, {"Set-Cookie", "a=b"}}, share).store());
    const StoreDecision stripped =
        store({{"Cache-Control", "max-age=9, private=\"set-cookie\""}, {"Set-Cookie", "a=b"}});
    EXPECT_TRUE(stripped.store());
    EXPECT_EQ(stripped.strip, (std::vector<std::string>{"set-cookie"}));
}

TEST(Storable, FieldsThatChooseOrExplainTheBodyCannotBeLeftOut) {
    EXPECT_EQ(store({{"Cache-Control", "max-age=9, private=\"vary\""}}).refusal, Refusal::kPrivate);
    std::string many = "a0";
    for (int i = 1; i < 40; ++i) many += ",a" + std::to_string(i);
    EXPECT_EQ(store({{"Cache-Control", "max-age=9, no-cache=\"" + many + "\""}}).refusal, Refusal::kFieldTooMany);
}

TEST(Storable, TheRoutesLifetimeFillsSilence) {
    RoutePolicy policy;
    policy.ttl_use = TtlUse::kSilent;
    policy.ttl_s = 60;
    EXPECT_TRUE(reused({}, 59, policy));
    EXPECT_FALSE(reused({}, 60, policy));
    EXPECT_TRUE((store({}, policy).flags & kOwnLifetime) != 0);
    EXPECT_FALSE(reused({{"Cache-Control", "max-age=1"}}, 3, policy));
    EXPECT_FALSE(reused({{"Cache-Control", "no-cache"}}, 0, policy));
    EXPECT_FALSE(reused({{"Expires", "0"}}, 0, policy));
    for (const int status : {302, 400, 404, 414, 500, 503}) EXPECT_FALSE(reused({}, 0, policy, status)) << status;
}

TEST(Storable, AForcedLifetimeBeatsAnOriginButNotItsSecrets) {
    RoutePolicy policy;
    policy.ttl_use = TtlUse::kForce;
    policy.ttl_s = 60;
    EXPECT_TRUE(reused({{"Cache-Control", "no-cache, max-age=0"}}, 59, policy));
    EXPECT_FALSE(reused({{"Cache-Control", "max-age=900"}}, 61, policy));
    EXPECT_FALSE(reused({{"Cache-Control", "no-store"}}, 0, policy));
    EXPECT_FALSE(reused({{"Cache-Control", "private"}}, 0, policy));
    EXPECT_FALSE(reused({{"Vary", "*"}}, 0, policy));
}

TEST(Storable, ErrorsLiveShortUnlessTheOriginSaysMore) {
    RoutePolicy policy;
    policy.ttl_use = TtlUse::kSilent;
    policy.ttl_s = 600;
    policy.negative_ttl_s = 300;
    EXPECT_TRUE(reused({}, 9, policy, 404));
    EXPECT_FALSE(reused({}, 10, policy, 404));
    EXPECT_TRUE(reused({{"Cache-Control", "max-age=100"}}, 50, policy, 404));
    for (const int status : {400, 413, 414, 431, 500, 503}) EXPECT_FALSE(reused({}, 0, policy, status)) << status;
}

TEST(Storable, HeuristicsAreOffAndATenthWhenOn) {
    const http::Headers answer = headers({{"Last-Modified", date(-1000)}, {"Date", date(0)}});
    EXPECT_FALSE(reused(answer, 0));
    RoutePolicy policy;
    policy.heuristics = true;
    EXPECT_TRUE(reused(answer, 99, policy));
    EXPECT_FALSE(reused(answer, 100, policy));
    for (const int status : {203, 204, 404, 405, 410, 414, 501})
        EXPECT_TRUE(reused(answer, 9, policy, status)) << status;
    for (const int status : {201, 202, 403, 502, 503, 504, 599})
        EXPECT_FALSE(reused(answer, 0, policy, status)) << status;
    EXPECT_TRUE(reused({{"Last-Modified", date(-1000)}, {"Cache-Control", "public"}}, 9, policy, 599));
    EXPECT_FALSE(reused({{"Last-Modified", date(-1000)}, {"Cache-Control", "no-cache"}}, 0, policy));
    EXPECT_TRUE(reused({{"Last-Modified", date(-90 * 86'400)}}, 86'399, policy));
    EXPECT_FALSE(reused({{"Last-Modified", date(-90 * 86'400)}}, 86'400, policy));
}

TEST(Storable, WindowsForStaleAnswersComeFromTheOriginThenFromTheRoute) {
    RoutePolicy policy;
    policy.stale_while_revalidate_s = 7;
    policy.stale_if_error_s = 8;
    const StoreDecision said =
        store({{"Cache-Control", "max-age=1, stale-while-revalidate=3, stale-if-error=4"}}, policy);
    EXPECT_EQ(said.times.stale_while_revalidate_s, 3U);
    EXPECT_EQ(said.times.stale_if_error_s, 4U);
    const StoreDecision silent = store({{"Cache-Control", "max-age=1"}}, policy);
    EXPECT_EQ(silent.times.stale_while_revalidate_s, 7U);
    EXPECT_EQ(silent.times.stale_if_error_s, 8U);
    EXPECT_EQ(store({{"Cache-Control", "max-age=1, stale-while-revalidate=0"}}, policy).times.stale_while_revalidate_s,
              0U);
    for (const std::string_view never : {"must-revalidate", "proxy-revalidate", "s-maxage=2"}) {
        const StoreDecision d =
            store({{"Cache-Control", std::string("max-age=1, stale-if-error=9, ") + never.data()}}, policy);
        EXPECT_EQ(d.times.stale_if_error_s + d.times.stale_while_revalidate_s, 0U) << never;
        EXPECT_TRUE((d.flags & kMustRevalidate) != 0) << never;
    }
}

TEST(Storable, APostThatNamesItselfServesReadsWhereTheRouteSaysSo) {
    const RequestFacts post = read_request(http::Method::kPost, {}, true);
    RoutePolicy policy;
    EXPECT_EQ(store({{"Cache-Control", "max-age=9"}, {"Content-Location", "/x"}}, policy, 200, post).refusal,
              Refusal::kMethod);
    policy.store_post = true;
    EXPECT_TRUE(store({{"Cache-Control", "max-age=9"}, {"Content-Location", "/x"}}, policy, 200, post).store());
    EXPECT_FALSE(store({{"Cache-Control", "max-age=9"}, {"Content-Location", "/y"}}, policy, 200, post).store());
    EXPECT_FALSE(store({{"Content-Location", "/x"}, {"Last-Modified", date(-900)}}, policy, 200, post).store());
    EXPECT_FALSE(store({{"Cache-Control", "max-age=9"}}, policy, 200, post).store());
}

TEST(StoredFields, LeaveOutWhatConcernsOneConnectionOrOneRequest) {
    const http::Headers answer = headers({{"Cache-Control", "max-age=9, no-cache=\"x-own\""},
                                          {"Connection", "a, B, cache-control"},
                                          {"A", "1"},
                                          {"b", "2"},
                                          {"C", "3"},
                                          {"Age", "4"},
                                          {"X-Own", "5"},
                                          {"Keep-Alive", "6"},
                                          {"RateLimit", "\"d\";r=1"},
                                          {"X-RateLimit-Remaining", "7"},
                                          {"Content-Length", "8"},
                                          {"Upgrade", "9"},
                                          {"X-Unknown", "10"},
                                          {"X-Unknown", "11"}});
    const http::Headers kept = stored_fields(answer, store(answer));
    std::string names;
    for (const auto& [name, value] : kept.fields()) names.append(name).append("=").append(value).append(";");
    EXPECT_EQ(names, "Cache-Control=max-age=9, no-cache=\"x-own\";C=3;X-Unknown=10;X-Unknown=11;Date=" + date(0) + ";");
}

TEST(StoredFields, TheOriginsDateIsKept) {
    const http::Headers answer = headers({{"Cache-Control", "max-age=9"}, {"Date", date(-2)}});
    const http::Headers kept = stored_fields(answer, store(answer));
    EXPECT_EQ(kept.get("date"), date(-2));
    EXPECT_EQ(kept.count("date"), 1U);
}

TEST(Storable, EveryRefusalHasAWord) {
    for (int i = 0; i <= static_cast<int>(Refusal::kFieldTooMany); ++i) {
        EXPECT_FALSE(to_string(static_cast<Refusal>(i)).empty());
    }
    EXPECT_EQ(to_string(Refusal::kNotFresh), "not-fresh");
    EXPECT_EQ(to_string(Refusal::kFieldTooMany), "field-list-too-long");
}

}  // namespace
}  // namespace tidegate::cache::rules
