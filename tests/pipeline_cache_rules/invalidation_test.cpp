// What an answer to a method that changes things makes unusable (RFC 9111, 4.4; RFC 9875).
#include "pipeline/cache/rules/invalidation.h"

#include <gtest/gtest.h>

#include <array>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

constexpr std::array<OriginName, 2> kOrigins{OriginName{"https", "Example.org"}, OriginName{"http", "127.0.0.1:9000"}};

Invalidation of(std::string_view method, int status, Fields response) {
    const http::Method known = method == "GET"      ? http::Method::kGet
                               : method == "POST"   ? http::Method::kPost
                               : method == "PUT"    ? http::Method::kPut
                               : method == "DELETE" ? http::Method::kDelete
                                                    : http::Method::kOther;
    return invalidated_by(known, method, status, headers(response), "/a/b?c=d", kOrigins);
}

TEST(Invalidation, SuccessesOfUnsafeAndUnknownMethodsInvalidateTheirTarget) {
    for (const std::string_view method : {"POST", "PUT", "DELETE", "M-SEARCH"}) {
        for (const int status : {200, 201, 204, 303}) EXPECT_TRUE(of(method, status, {}).target) << method << status;
        for (const int status : {400, 404, 500, 503, 101})
            EXPECT_FALSE(of(method, status, {}).any()) << method << status;
    }
    for (const std::string_view method : {"GET", "TRACE"})
        EXPECT_FALSE(of(method, 200, {{"Location", "/x"}}).any()) << method;
}

TEST(Invalidation, ReachesLocationAndContentLocationOnTheSameOrigin) {
    const Invalidation i =
        of("POST", 201, {{"Location", "/new?x"}, {"Content-Location", "https://EXAMPLE.org:443/other#f"}});
    EXPECT_EQ(i.others, (std::vector<std::string>{"/new?x", "/other"}));
}

TEST(Invalidation, NeverReachesAnotherOrigin) {
    for (const std::string_view elsewhere :
         {"https://evil.example/x", "http://example.org/x", "https://example.org:8443/x", "//evil.example/x",
          "mailto:a@b", "https:x", "https://example.org@evil.example/x", "data:text/plain,x", "/x y", "javascript:0"}) {
        EXPECT_TRUE(of("POST", 200, {{"Location", elsewhere}}).others.empty()) << elsewhere;
    }
}

struct ReferenceCase {
    std::string_view reference, target;
};
TEST(Invalidation, ReferencesAreResolvedAgainstTheTarget) {
    for (const ReferenceCase& c : std::initializer_list<ReferenceCase>{
             {"x", "/a/x"},
             {"./x", "/a/x"},
             {"../x", "/x"},
             {"../../../x", "/x"},
             {"/p/./q/../r", "/p/r"},
             {"/p/..", "/"},
             {"?q", "/a/b?q"},
             {"", "/a/b?c=d"},
             {"#f", "/a/b?c=d"},
             {"x:y/z", ""},  // A scheme, not a segment.
             {"./x:y", "/a/x:y"},
             {"http://127.0.0.1:9000", "/"},
             {"http://127.0.0.1:9000?q", "/?q"},
             {"//example.org/x", "/x"},
         }) {
        EXPECT_EQ(same_origin_target(c.reference, "/a/b?c=d", kOrigins), c.target) << c.reference;
    }
}

TEST(Groups, AreAListOfStringsOrNothing) {
    EXPECT_EQ(read_groups(headers({{"Cache-Groups", "\"a\", \"b c\";x=1"}, {"Cache-Groups", "\"d\""}})),
              (std::vector<std::string>{"a", "b c", "d"}));
    for (const std::string_view wrong : {"a, b", "\"a\", b", "\"a\",", "(\"a\")", "1"}) {
        EXPECT_TRUE(read_groups(headers({{"Cache-Groups", wrong}})).empty()) << wrong;
    }
}

TEST(Groups, AtLeastThirtyTwoOfThirtyTwoCharactersAreTaken) {
    std::string field;
    for (int i = 0; i < 32; ++i)
        field += (i == 0 ? "\"" : ", \"") + std::to_string(10 + i) + std::string(30, 'g') + "\"";
    EXPECT_EQ(read_groups(headers({{"Cache-Groups", field}})).size(), 32U);
    EXPECT_TRUE(read_groups(headers({{"Cache-Groups", "\"" + std::string(kGroupBytesMax + 1, 'g') + "\""}})).empty());
}

TEST(Groups, AreInvalidatedByUnsafeMethodsOnly) {
    EXPECT_EQ(of("POST", 200, {{"Cache-Group-Invalidation", "\"a\", \"b\""}}).groups,
              (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(of("GET", 200, {{"Cache-Group-Invalidation", "\"a\""}}).groups.empty());
    EXPECT_TRUE(of("POST", 500, {{"Cache-Group-Invalidation", "\"a\""}}).groups.empty());
}

}  // namespace
}  // namespace tidegate::cache::rules
