// Which requests one variant serves (RFC 9111, 4.1).
#include "pipeline/cache/rules/vary.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

bool fits(std::string_view vary, Fields stored_for, Fields request, const RoutePolicy& policy = {},
          std::string_view content_language = {}) {
    const VaryNames names = read_vary(headers({{"Vary", vary}}));
    EXPECT_FALSE(names.star || names.too_large);
    std::string selecting;
    selecting_text(names.names, headers(stored_for), policy, selecting);
    return variant_fits({names.names, selecting, content_language}, headers(request), policy);
}
RoutePolicy loose() {
    RoutePolicy policy;
    policy.select_language = true;
    return policy;
}

TEST(Vary, NamesAreSortedOnceEachAndInLowerCase) {
    EXPECT_EQ(read_vary(headers({{"Vary", "Foo, bar"}, {"vary", " ,BAR,Baz,"}})).names, "bar,baz,foo");
    EXPECT_EQ(read_vary(headers({})).names, "");
    EXPECT_FALSE(read_vary(headers({{"Vary", ""}})).star);
}

TEST(Vary, AStarAnywhereMatchesNothing) {
    for (const std::string_view value : {"*", "*, *", ", *", "*, Foo", "Foo, *", "Foo,*,Bar"}) {
        EXPECT_TRUE(read_vary(headers({{"Vary", value}})).star) << value;
    }
    EXPECT_TRUE(read_vary(headers({{"Vary", ""}, {"Vary", "*"}})).star);
    EXPECT_TRUE(read_vary(headers({{"Vary", "no name"}})).star);
}

TEST(Vary, EveryNamedFieldMustMatch) {
    EXPECT_TRUE(fits("Foo", {{"Foo", "1"}}, {{"foo", "1"}, {"Other", "2"}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "1"}}, {{"Foo", "2"}}));
    EXPECT_TRUE(fits("Foo, Bar", {{"Foo", "1"}, {"Bar", "a"}}, {{"Bar", "a"}, {"Foo", "1"}}));
    EXPECT_FALSE(fits("Foo, Bar", {{"Foo", "1"}, {"Bar", "a"}}, {{"Foo", "1"}, {"Bar", "ab"}}));
    EXPECT_FALSE(fits("Foo, Bar", {{"Foo", "1"}, {"Bar", "a"}}, {{"Foo", "a"}, {"Bar", "1"}}));
}

TEST(Vary, AbsentMatchesOnlyAbsent) {
    EXPECT_TRUE(fits("Foo, Bar", {{"Foo", "1"}}, {{"Foo", "1"}}));
    EXPECT_FALSE(fits("Foo", {}, {{"Foo", "1"}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "1"}}, {}));
    EXPECT_FALSE(fits("Foo", {}, {{"Foo", ""}}));
    EXPECT_FALSE(fits("Foo", {}, {{"Foo", "-"}}));
}

TEST(Vary, ValuesCannotPretendToBeOthers) {
    // The lines of the selecting text are told apart by bytes that no field value holds.
    EXPECT_FALSE(fits("A, B", {{"A", "1"}, {"B", "2"}}, {{"A", "1,+2"}}));
    EXPECT_FALSE(fits("A, B", {{"A", "1"}}, {{"B", "1"}}));
}

TEST(Vary, BlanksAroundCommasAndSplittingDoNotCount) {
    EXPECT_TRUE(fits("Foo", {{"Foo", "1, 2"}}, {{"Foo", "1"}, {"Foo", "2"}}));
    EXPECT_TRUE(fits("Foo", {{"Foo", "1,2"}}, {{"Foo", " 1 ,\t2 "}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "1,2"}}, {{"Foo", "2,1"}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "a b"}}, {{"Foo", "a  b"}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "\"a, b\""}}, {{"Foo", "\"a,b\""}}));
    EXPECT_FALSE(fits("Foo", {{"Foo", "a"}}, {{"Foo", "A"}}));
}

TEST(Vary, CookiesAndAgentsAreComparedAsTheyAre) {
    EXPECT_FALSE(fits("Cookie", {{"Cookie", "a=1, 2"}}, {{"Cookie", "a=1,2"}}));
    EXPECT_TRUE(fits("User-Agent", {{"User-Agent", "x (y, z)"}}, {{"User-Agent", "x (y, z) "}}));
}

TEST(Vary, EncodingsAreASetWithoutCase) {
    EXPECT_TRUE(
        fits("Accept-Encoding", {{"Accept-Encoding", "gzip, br;q=0.5"}}, {{"Accept-Encoding", "BR; q=0.500 ,x-gzip"}}));
    EXPECT_FALSE(fits("Accept-Encoding", {{"Accept-Encoding", "gzip"}}, {{"Accept-Encoding", "gzip;q=0"}}));
    EXPECT_FALSE(fits("Accept-Encoding", {{"Accept-Encoding", "gzip;q=x"}}, {{"Accept-Encoding", "gzip"}}));
}

TEST(Vary, MediaTypesHaveNoCaseTheirParametersMay) {
    EXPECT_TRUE(fits("Accept", {{"Accept", "Text/HTML;q=0.5, */*"}}, {{"Accept", "text/html;q=0.5,*/*"}}));
    EXPECT_FALSE(fits("Accept", {{"Accept", "text/html;a=B"}}, {{"Accept", "text/html;a=b"}}));
}

TEST(Vary, LanguagesHaveNoCaseAndTheirOrderCountsUnlessTheRouteSaysOtherwise) {
    EXPECT_TRUE(fits("Accept-Language", {{"Accept-Language", "en, de"}}, {{"Accept-Language", " eN ,   De"}}));
    EXPECT_FALSE(fits("Accept-Language", {{"Accept-Language", "en, de"}}, {{"Accept-Language", "de, en"}}));
    EXPECT_TRUE(fits("Accept-Language", {{"Accept-Language", "en, de"}}, {{"Accept-Language", "de, en"}}, loose()));
    EXPECT_FALSE(
        fits("Accept-Language", {{"Accept-Language", "en, de;q=0.9"}}, {{"Accept-Language", "de, en;q=0.9"}}, loose()));
}

TEST(Vary, TheLanguageLikedBestIsServedWhereTheRouteSaysSo) {
    const auto best = [](std::string_view request, std::string_view language, const RoutePolicy& policy) {
        return fits("Accept-Language", {{"Accept-Language", "en, de"}}, {{"Accept-Language", request}}, policy,
                    language);
    };
    EXPECT_TRUE(best("fr;q=0.5, de;q=1.0", "DE", loose()));
    EXPECT_FALSE(best("fr;q=0.5, de;q=1.0", "de", {}));
    EXPECT_FALSE(best("fr, de", "de", loose()));
    EXPECT_FALSE(best("fr;q=0.5, de;q=1.0", "en", loose()));
    EXPECT_FALSE(best("de;q=0", "de", loose()));
    EXPECT_FALSE(best("*", "*", loose()));
    EXPECT_FALSE(best("fr;q=0.5, de;q=1.0", "de, en", loose()));
}

}  // namespace
}  // namespace tidegate::cache::rules
