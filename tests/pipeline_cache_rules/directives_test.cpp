// Cache-Control of answers and requests, its targeted form, and the fields of a request in one pass.
#include "pipeline/cache/rules/directives.h"

#include <gtest/gtest.h>

#include <array>

#include "pipeline/cache/rules/facts.h"
#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

ResponseDirectives response(Fields fields) {
    return read_cache_control(headers(fields));
}

TEST(DeltaSeconds, AreDigitsAndSaturateAtTwoToTheThirtyOne) {
    EXPECT_EQ(parse_delta("0"), 0);
    EXPECT_EQ(parse_delta("003600"), 3600);
    EXPECT_EQ(parse_delta("2147483647"), 2147483647);
    EXPECT_EQ(parse_delta("2147483648"), kForever);
    EXPECT_EQ(parse_delta("99999999999999999999999999999"), kForever);
    for (const std::string_view wrong : {"", "-1", "+1", "1.0", " 1", "1 ", "1s", "a1", "'1'", "0x10"}) {
        EXPECT_EQ(parse_delta(wrong), std::nullopt) << wrong;
    }
}

TEST(ResponseDirectives, AnInvalidMaxAgeIsStale) {
    for (const std::string_view value : {"max-age", "max-age=", "max-age=-1", "max-age=3600.0", "max-age='3600'",
                                         "max-age=3600s", "max-age =3600", "max-age= 3600", "max-age=\"x\""}) {
        EXPECT_EQ(response({{"Cache-Control", value}}).max_age, 0) << value;
    }
}

TEST(ResponseDirectives, OfRepeatedTimesTheShortestCounts) {
    EXPECT_EQ(response({{"Cache-Control", "max-age=1800, max-age=1"}}).max_age, 1);
    EXPECT_EQ(response({{"Cache-Control", "max-age=1, max-age=1800"}}).max_age, 1);
    EXPECT_EQ(response({{"Cache-Control", "max-age=1800"}, {"cache-control", "MAX-AGE=1"}}).max_age, 1);
    EXPECT_EQ(response({{"Cache-Control", "max-age=1800, max-age=x"}}).max_age, 0);
    EXPECT_EQ(response({{"Cache-Control", "s-maxage=5, s-maxage=4"}}).s_maxage, 4);
}

TEST(ResponseDirectives, QuotedValuesAreRead) {
    EXPECT_EQ(response({{"Cache-Control", "max-age=\"3600\""}}).max_age, 3600);
}

TEST(ResponseDirectives, WhatIsInsideAQuotedStringIsNoDirective) {
    EXPECT_EQ(response({{"Cache-Control", "x=\"max-age=3600, no-store\", max-age=1"}}).max_age, 1);
    EXPECT_FALSE(response({{"Cache-Control", "x=\"no-store\""}}).no_store);
    EXPECT_EQ(response({{"Cache-Control", "max-age=1, x=\"a\\\", max-age=9\""}}).max_age, 1);
}

TEST(ResponseDirectives, AQuoteThatIsNeverClosedHidesNothing) {
    EXPECT_TRUE(response({{"Cache-Control", "x=\"abc, no-store"}}).no_store);
}

TEST(ResponseDirectives, FieldListsAreReadInLowerCase) {
    const ResponseDirectives d = response({{"Cache-Control", "private=\"Set-Cookie, X-A\", no-cache=X-B"}});
    EXPECT_FALSE(d.is_private);
    EXPECT_FALSE(d.no_cache);
    EXPECT_EQ(d.private_fields, (std::vector<std::string>{"set-cookie", "x-a"}));
    EXPECT_EQ(d.no_cache_fields, (std::vector<std::string>{"x-b"}));
}

TEST(ResponseDirectives, AnEmptyFieldListMeansTheWholeAnswer) {
    EXPECT_TRUE(response({{"Cache-Control", "private=\"\""}}).is_private);
    EXPECT_TRUE(response({{"Cache-Control", "no-cache="}}).no_cache);
    EXPECT_TRUE(response({{"Cache-Control", "private=\"a\", private"}}).is_private);
}

TEST(ResponseDirectives, WhatRestrictsCountsWithAnyValueAndWhatGrantsOnlyAsDefined) {
    EXPECT_TRUE(response({{"Cache-Control", "no-store=1"}}).no_store);
    EXPECT_TRUE(response({{"Cache-Control", "must-revalidate=1"}}).must_revalidate);
    EXPECT_FALSE(response({{"Cache-Control", "public=1"}}).is_public);
    EXPECT_FALSE(response({{"Cache-Control", "must-understand=1"}}).must_understand);
}

TEST(ResponseDirectives, EveryNameIsKnownInAnyCase) {
    const ResponseDirectives d = response({{"Cache-Control",
                                            "No-Store,NO-CACHE,Private,pUblic,Must-Revalidate,Proxy-Revalidate,"
                                            "Must-Understand,No-Transform,IMMUTABLE,Stale-While-Revalidate=3,"
                                            "stale-if-error=4,S-MaxAge=5,Max-Age=6,unknown,unknown=\"x\""}});
    EXPECT_TRUE(d.no_store && d.no_cache && d.is_private && d.is_public && d.must_revalidate && d.proxy_revalidate &&
                d.must_understand && d.no_transform && d.immutable);
    EXPECT_EQ(d.stale_while_revalidate, 3);
    EXPECT_EQ(d.stale_if_error, 4);
    EXPECT_EQ(d.s_maxage, 5);
    EXPECT_EQ(d.max_age, 6);
}

TEST(RequestDirectives, AreRead) {
    const RequestDirectives d = read_request_directives(headers(
        {{"Cache-Control", "no-cache, max-age=5, min-fresh=7, max-stale"}, {"Cache-Control", "only-if-cached"}}));
    EXPECT_TRUE(d.no_cache && d.only_if_cached);
    EXPECT_EQ(d.max_age, 5);
    EXPECT_EQ(d.min_fresh, 7);
    EXPECT_EQ(d.max_stale, kForever);
}

TEST(RequestDirectives, LeaveForStaleAnswersNeedsAValueThatCanBeRead) {
    const auto max_stale = [](std::string_view value) {
        return read_request_directives(headers({{"Cache-Control", value}})).max_stale;
    };
    EXPECT_EQ(max_stale("max-stale=x"), kAbsent);
    EXPECT_EQ(max_stale("max-stale=10, max-stale=5"), 5);
    EXPECT_EQ(max_stale("max-stale, max-stale=5"), 5);
}

// RFC 9213.
struct TargetedCase {
    std::string_view field;
    bool valid;
    Seconds max_age;
    bool no_store;
};
TEST(TargetedDirectives, AreAStructuredDictionaryOrNothing) {
    const std::array<std::string_view, 1> names{"CDN-Cache-Control"};
    for (const TargetedCase& c : std::initializer_list<TargetedCase>{
             {"max-age=3600", true, 3600, false},
             {"max-age=2147483648", true, kForever, false},
             {"max-age=99999999999", true, kForever, false},
             {"foobar, max-age=3600", true, 3600, false},
             {"no-store", true, kAbsent, true},
             {"no-store=?0, max-age=1", true, 1, false},
             {"max-age=10000, &&&&&", false, 0, false},
             {"MaX-aGe=3600", false, 0, false},
             {"max-age =100", false, 0, false},
             {"max-age= 100", false, 0, false},
             {"", false, 0, false},
             {"max-age=\"10000\"", true, 0, false},  // Of the wrong type: not fresh.
             {"max-age=1.5", true, 0, false},
             {"max-age=-5", true, 0, false},
             {"no-store=\"x\"", true, kAbsent, true},
         }) {
        const auto d = read_targeted(headers({{"CDN-Cache-Control", c.field}}), names);
        ASSERT_EQ(d.has_value(), c.valid) << c.field;
        if (!d) continue;
        EXPECT_EQ(d->max_age, c.max_age) << c.field;
        EXPECT_EQ(d->no_store, c.no_store) << c.field;
    }
}

TEST(TargetedDirectives, MayNameFields) {
    const std::array<std::string_view, 1> names{"CDN-Cache-Control"};
    const auto d = read_targeted(headers({{"CDN-Cache-Control", "private=\"A, b\", no-cache"}}), names);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->private_fields, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(d->no_cache);
}

TEST(TargetedDirectives, OurOwnNameGoesFirstAndTheRouteMayTurnThemOff) {
    const http::Headers answer = headers(
        {{"CDN-Cache-Control", "max-age=1"}, {"Tidegate-Cache-Control", "max-age=2"}, {"Cache-Control", "max-age=3"}});
    EXPECT_EQ(read_response_directives(answer, {}).max_age, 2);
    RoutePolicy off;
    off.targeted = false;
    EXPECT_EQ(read_response_directives(answer, off).max_age, 3);
}

TEST(RequestFacts, AreReadInOnePass) {
    const RequestFacts f = get({{"Authorization", "Bearer x"},
                                {"COOKIE", "a=b"},
                                {"Range", "bytes=0-1"},
                                {"If-None-Match", "\"a\""},
                                {"Pragma", "x, no-cache"},
                                {"Cache-Control", "no-store"}});
    EXPECT_TRUE(f.authorization && f.cookie && f.range && f.conditional && f.pragma_no_cache && f.has_cache_control);
    EXPECT_TRUE(f.directives.no_store);
    EXPECT_FALSE(f.precondition || f.upgrade || f.body);
}

TEST(RequestFacts, OnlyPlainReadsAskTheCache) {
    using http::Method;
    const auto way = [](Method method, Fields fields, bool body = false) {
        return way_of(read_request(method, headers(fields), body), RoutePolicy{});
    };
    EXPECT_EQ(way(Method::kGet, {}), Way::kLookup);
    EXPECT_EQ(way(Method::kHead, {}), Way::kLookup);
    EXPECT_EQ(way(Method::kGet, {{"If-Modified-Since", "x"}}), Way::kLookup);
    EXPECT_EQ(way(Method::kPost, {}), Way::kPass);
    EXPECT_EQ(way(Method::kOther, {}), Way::kPass);
    EXPECT_EQ(way(Method::kGet, {}, true), Way::kPass);
    EXPECT_EQ(way(Method::kGet, {{"If-Match", "\"a\""}}), Way::kPass);
    EXPECT_EQ(way(Method::kGet, {{"If-Unmodified-Since", "x"}}), Way::kPass);
    EXPECT_EQ(way(Method::kGet, {{"Upgrade", "websocket"}}), Way::kPass);
}

TEST(RequestFacts, NoStoreGoesPastTheCacheOnlyWhereTheRouteSaysSo) {
    RoutePolicy policy;
    EXPECT_EQ(way_of(get({{"Cache-Control", "no-store"}}), policy), Way::kLookup);
    policy.wishes = ClientWishes::all();
    EXPECT_EQ(way_of(get({{"Cache-Control", "no-store"}}), policy), Way::kPass);
}

TEST(RequestFacts, NobodyWaitsForAPartOrForWhatMayNotBeKept) {
    EXPECT_TRUE(may_lead(get({{"Authorization", "x"}, {"Cache-Control", "no-cache"}})));
    EXPECT_FALSE(may_lead(get({{"Range", "bytes=0-1"}})));
    EXPECT_FALSE(may_lead(get({{"Cache-Control", "no-store"}})));
}

TEST(RequestFacts, UnknownMethodsAreNotSafe) {
    EXPECT_TRUE(is_safe(http::Method::kGet, "GET"));
    EXPECT_TRUE(is_safe(http::Method::kOther, "TRACE"));
    EXPECT_FALSE(is_safe(http::Method::kOther, "M-SEARCH"));
    EXPECT_FALSE(is_safe(http::Method::kOther, "get"));
}

}  // namespace
}  // namespace tidegate::cache::rules
