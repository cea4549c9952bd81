// Cache-Status says what happened, in valid structured fields (RFC 9211).
#include "pipeline/cache/rules/cache_status.h"

#include <gtest/gtest.h>

#include "pipeline/cache/rules/structured_field.h"
#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

std::string text(const CacheStatus& status) {
    std::string out;
    append_cache_status(status, out);
    EXPECT_TRUE(sf::parse_list(out)) << out;
    return out;
}

TEST(CacheStatus, AHitSaysHowLongItIsFresh) {
    EXPECT_EQ(text({.hit = true, .ttl_s = 376, .has_ttl = true}), "tidegate; hit; ttl=376");
    EXPECT_EQ(text({.hit = true, .ttl_s = -12, .has_ttl = true}), "tidegate; hit; ttl=-12");
}

TEST(CacheStatus, AForwardedRequestSaysWhyAndWhatCameOfIt) {
    EXPECT_EQ(text({.forward = Forward::kUriMiss, .forward_status = 200, .stored = true, .collapsed = true}),
              "tidegate; fwd=uri-miss; fwd-status=200; stored; collapsed");
    EXPECT_EQ(text({.forward = Forward::kStale, .forward_status = 304}), "tidegate; fwd=stale; fwd-status=304");
    EXPECT_EQ(text({.forward = Forward::kBypass, .detail = "private"}), "tidegate; fwd=bypass; detail=private");
    EXPECT_EQ(text({.forward = Forward::kVaryMiss}), "tidegate; fwd=vary-miss");
}

TEST(CacheStatus, KeyAndDetailAreQuotedOrLeftOut) {
    EXPECT_EQ(text({.hit = true, .key = "GET http:a/\"b\\"}), "tidegate; hit; key=\"GET http:a/\\\"b\\\\\"");
    EXPECT_EQ(text({.hit = true, .key = "caf\xc3\xa9", .detail = "two words"}), "tidegate; hit; detail=\"two words\"");
}

TEST(CacheStatus, UpstreamMembersStayWhenTheyCanBeRead) {
    http::Headers answer = headers({{"Cache-Status", "Origin; hit"}});
    add_cache_status({.forward = Forward::kUriMiss}, answer);
    EXPECT_EQ(sf::joined(answer, "cache-status"), "Origin; hit, tidegate; fwd=uri-miss");
    http::Headers broken = headers({{"Cache-Status", "Origin; hit,,"}});
    add_cache_status({.hit = true}, broken);
    EXPECT_EQ(sf::joined(broken, "cache-status"), "tidegate; hit");
}

TEST(CacheStatus, EveryWordOfXCache) {
    EXPECT_EQ(to_string(XCache::kHit), "HIT");
    EXPECT_EQ(to_string(XCache::kMiss), "MISS");
    EXPECT_EQ(to_string(XCache::kStale), "STALE");
    EXPECT_EQ(to_string(XCache::kRevalidated), "REVALIDATED");
    EXPECT_EQ(to_string(XCache::kBypass), "BYPASS");
    EXPECT_EQ(to_string(XCache::kCoalesced), "COALESCED");
}

}  // namespace
}  // namespace tidegate::cache::rules
