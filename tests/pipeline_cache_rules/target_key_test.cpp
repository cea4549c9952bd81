// The key text of a request, and the targets that are refused.
#include "pipeline/cache/rules/target_key.h"

#include <gtest/gtest.h>

namespace tidegate::cache::rules {
namespace {

TEST(Target, WhatTwoReadersCouldReadDifferentlyIsRefused) {
    for (const std::string_view target :
         {"",       "x",      "http://a/b", "/a/../b",   "/a/./b",   "/..",       "/.",      "/a/%2e%2E/", "/a/.%2e/b",
          "/a%2fb", "/a%2Fb", "/a%5cb",     "/a\\b",     "/a%00",    "/a%0d%0ab", "/a%7f",   "/a%zz",      "/a%2",
          "/a%",    "/a?b#c", "/a b",       "/\xc3\xbc", "/a?b=%00", "/a/..;x/b", "/a/.;/b", "/a/%2e;x=1", "/a\x01"}) {
        EXPECT_FALSE(check_target(target, {})) << target;
    }
}

TEST(Target, OrdinaryOnesPass) {
    for (const std::string_view target : {"/", "/a", "/a//b", "/a/...", "/.well-known/x", "/a%20b", "/a?b=../c&d=%2F",
                                          "/a?b=100%", "/a?%", "/%C3%BC", "/a;x=1/b", "/a..b", "/a?x=\\"}) {
        EXPECT_TRUE(check_target(target, {})) << target;
    }
}

TEST(Target, ARouteMayAskForMoreOrForLess) {
    EXPECT_TRUE(check_target("/a%2Fb", {.encoded_slash = true}));
    EXPECT_FALSE(check_target("/a%00b", {.encoded_slash = true}));
    EXPECT_FALSE(check_target("/a//b", {.empty_segments = false}));
    EXPECT_TRUE(check_target("/a/", {.empty_segments = false}));
}

TEST(Query, NamedParametersAreLeftOut) {
    const QueryRules rules{{"utm_*", "fbclid"}};
    EXPECT_EQ(filter_query("/a?utm_source=x&b=1&fbclid=y&c", rules), "/a?b=1&c");
    EXPECT_EQ(filter_query("/a?utm_source=x", rules), "/a");
    EXPECT_EQ(filter_query("/a?b=utm_x&Utm_y", rules), "/a?b=utm_x&Utm_y");
    EXPECT_EQ(filter_query("/a?", {}), "/a?");
    EXPECT_EQ(filter_query("/utm_a", rules), "/utm_a");
}

TEST(Key, HoldsMethodSchemeAuthorityAndTarget) {
    using http::Method;
    EXPECT_EQ(key_text(Method::kGet, "GET", "HTTP", "Example.ORG:80", "/Cards?x=1"), "GET http:example.org/Cards?x=1");
    EXPECT_EQ(key_text(Method::kHead, "HEAD", "http", "example.org", "/"), "GET http:example.org/");
    EXPECT_EQ(key_text(Method::kPost, "POST", "https", "a:443", "/"), "POST https:a/");
    EXPECT_EQ(key_text(Method::kGet, "GET", "https", "[::1]:80", "/"), "GET https:[::1]:80/");
    EXPECT_NE(key_text(Method::kGet, "GET", "http", "a", "/%61"), key_text(Method::kGet, "GET", "http", "a", "/a"));
}

TEST(Key, TheDefaultPortAndCaseOfAnAuthorityDoNotCount) {
    EXPECT_EQ(normal_authority("https", "EXAMPLE.org:443"), "example.org");
    EXPECT_EQ(normal_authority("http", "example.org:443"), "example.org:443");
    EXPECT_EQ(normal_authority("http", "example.org:"), "example.org");
}

}  // namespace
}  // namespace tidegate::cache::rules
