// Asking the origin whether stored answers still hold, and what comes of its answer (RFC 9111, 4.3).
#include "pipeline/cache/rules/validation.h"

#include <gtest/gtest.h>

#include <array>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

const std::string kModified = date(-500);

TEST(Validators, TheClientsOwnConditionsDoNotTravel) {
    http::Headers request = headers({{"If-None-Match", "\"x\""},
                                     {"If-Modified-Since", date(0)},
                                     {"Range", "bytes=0-1"},
                                     {"If-Range", "\"x\""},
                                     {"Accept", "*/*"}});
    http::Headers ranged = request;
    strip_conditions(ranged, false);
    EXPECT_TRUE(ranged.get("range") && ranged.get("if-range"));
    EXPECT_FALSE(ranged.get("if-none-match") || ranged.get("if-modified-since"));
    strip_conditions(request, true);
    EXPECT_EQ(request.fields().size(), 1U);
}

TEST(Validators, EveryStoredTagIsSentAndTheDateOfTheChosenOne) {
    const std::array<Candidate, 4> stored{Candidate{"\"a\"", kModified, 1}, Candidate{"W/\"b\"", "", 2},
                                          Candidate{"\"a\"", "", 3}, Candidate{"broken", "", 4}};
    http::Headers request;
    add_validators(stored, 0, request);
    EXPECT_EQ(request.get("if-none-match"), "\"a\", W/\"b\"");
    EXPECT_EQ(request.get("if-modified-since"), kModified);
    http::Headers other;
    add_validators(stored, 1, other);
    EXPECT_EQ(other.get("if-none-match"), "W/\"b\", \"a\"");
    EXPECT_FALSE(other.get("if-modified-since"));
}

TEST(Validators, TagsAreBounded) {
    std::vector<std::string> tags;
    for (int i = 0; i < 200; ++i) tags.push_back("\"" + std::to_string(i) + std::string(100, 'x') + "\"");
    std::vector<Candidate> stored;
    for (const std::string& tag : tags) stored.push_back({tag, "", 0});
    http::Headers request;
    add_validators(stored, 150, request);
    const std::string_view sent = request.get("if-none-match").value_or("");
    EXPECT_LE(sent.size(), kTagBytesMax + 2 * kTagsMax);
    EXPECT_TRUE(sent.starts_with(tags[150]));
}

TEST(Validators, WithoutAnyTheRequestStaysUnconditional) {
    http::Headers request;
    add_validators(std::array{Candidate{"", "not a date", 0}}, 0, request);
    EXPECT_TRUE(request.fields().empty());
    EXPECT_FALSE(has_validator("", ""));
    EXPECT_TRUE(has_validator("\"a\"", ""));
    EXPECT_TRUE(has_validator("", kModified));
}

TEST(NotModifiedAnswer, AStrongTagConfirmsTheAnswerThatHasIt) {
    const std::array<Candidate, 3> stored{Candidate{"\"a\"", "", 1}, Candidate{"\"b\"", "", 2},
                                          Candidate{"W/\"c\"", "", 3}};
    const auto confirmed = [&](std::string_view tag) {
        return confirmed_by_304(stored, 0, headers({{"ETag", tag}}), {});
    };
    EXPECT_EQ(confirmed("\"b\""), 1U);
    EXPECT_EQ(confirmed("\"a\""), 0U);
    EXPECT_EQ(confirmed("\"z\""), std::nullopt);
    EXPECT_EQ(confirmed("\"c\""), std::nullopt);  // Strong against weak.
    EXPECT_EQ(confirmed("W/\"c\""), 2U);
    EXPECT_EQ(confirmed("W/\"b\""), 1U);
}

TEST(NotModifiedAnswer, OfSeveralTheChosenOneThenTheNewest) {
    const std::array<Candidate, 3> stored{Candidate{"W/\"a\"", "", 1}, Candidate{"W/\"a\"", "", 9},
                                          Candidate{"W/\"a\"", "", 5}};
    EXPECT_EQ(confirmed_by_304(stored, 2, headers({{"ETag", "W/\"a\""}}), {}), 2U);
    EXPECT_EQ(confirmed_by_304(stored, kNoCandidate, headers({{"ETag", "W/\"a\""}}), {}), 1U);
}

TEST(NotModifiedAnswer, WithoutATagTheDateOrALoneAnswerDecides) {
    const std::array<Candidate, 1> lone{Candidate{"\"a\"", kModified, 1}};
    EXPECT_EQ(confirmed_by_304(lone, 0, headers({}), {}), 0U);
    EXPECT_EQ(confirmed_by_304(lone, 0, headers({{"Last-Modified", kModified}}), {}), 0U);
    EXPECT_EQ(confirmed_by_304(lone, 0, headers({{"Last-Modified", date(-1)}}), {}), std::nullopt);
    const std::array<Candidate, 1> tagged{Candidate{"\"a\"", "", 1}};
    EXPECT_EQ(confirmed_by_304(tagged, 0, headers({{"Last-Modified", date(-1)}}), {}), 0U);
    const std::array<Candidate, 2> two{Candidate{"\"a\"", "", 1}, Candidate{"\"b\"", "", 2}};
    EXPECT_EQ(confirmed_by_304(two, 0, headers({}), {}), std::nullopt);
    const std::array<Candidate, 2> one_asked{Candidate{"", "", 1}, Candidate{"\"b\"", "", 2}};
    EXPECT_EQ(confirmed_by_304(one_asked, 1, headers({}), {}), 1U);
}

TEST(NotModifiedAnswer, AnotherTagIsBelievedOnlyWhereTheRouteSaysSo) {
    const std::array<Candidate, 1> lone{Candidate{"\"a\"", "", 1}};
    RoutePolicy trusting;
    trusting.trust_any_304 = true;
    EXPECT_EQ(confirmed_by_304(lone, 0, headers({{"ETag", "\"z\""}}), {}), std::nullopt);
    EXPECT_EQ(confirmed_by_304(lone, 0, headers({{"ETag", "\"z\""}}), trusting), 0U);
    const std::array<Candidate, 2> two{Candidate{"\"a\"", "", 1}, Candidate{"\"b\"", "", 2}};
    EXPECT_EQ(confirmed_by_304(two, 0, headers({{"ETag", "\"z\""}}), trusting), std::nullopt);
}

TEST(UpdateBy304, ReplacesFieldsButNotThoseThatDescribeTheBody) {
    const http::Headers stored = headers({{"ETag", "\"a\""},
                                          {"Content-Type", "text/plain"},
                                          {"Content-Encoding", "gzip"},
                                          {"Content-MD5", "old"},
                                          {"X-Kept", "1"},
                                          {"X-New", "old"},
                                          {"x-new", "old too"},
                                          {"Cache-Control", "max-age=1"},
                                          {"Date", date(-100)}});
    const http::Headers fresh = headers({{"ETag", "\"b\""},
                                         {"Content-Type", "text/plain;charset=utf-8"},
                                         {"Content-Encoding", "br"},
                                         {"Content-Length", "99"},
                                         {"Content-MD5", "new"},
                                         {"Content-Range", "bytes 0-1/2"},
                                         {"X-NEW", "1"},
                                         {"X-NEW", "2"},
                                         {"Cache-Control", "max-age=3600"},
                                         {"Date", date(0)},
                                         {"Age", "5"},
                                         {"Connection", "X-Hop"},
                                         {"X-Hop", "1"},
                                         {"Set-Cookie", "a=b"},
                                         {"X-Added", "1"}});
    const http::Headers merged = updated_by_304(stored, fresh, {});
    EXPECT_EQ(merged.get("etag"), "\"a\"");
    EXPECT_EQ(merged.get("content-type"), "text/plain;charset=utf-8");
    EXPECT_EQ(merged.get("content-encoding"), "gzip");
    EXPECT_EQ(merged.get("content-md5"), "old");
    EXPECT_EQ(merged.get("x-kept"), "1");
    EXPECT_EQ(merged.get("x-new"), "1");
    EXPECT_EQ(merged.count("x-new"), 2U);
    EXPECT_EQ(merged.get("cache-control"), "max-age=3600");
    EXPECT_EQ(merged.get("date"), date(0));
    EXPECT_EQ(merged.get("age"), "5");  // For the new times; stored_fields() takes it out.
    EXPECT_EQ(merged.get("x-added"), "1");
    for (const std::string_view absent : {"content-length", "content-range", "connection", "x-hop", "set-cookie"}) {
        EXPECT_FALSE(merged.get(absent)) << absent;
    }
    RoutePolicy share;
    share.share_set_cookie = true;
    EXPECT_TRUE(updated_by_304(stored, fresh, share).get("set-cookie"));
}

TEST(UpdateBy304, MakesTheAnswerFreshFromNow) {
    const http::Headers stored = headers({{"Cache-Control", "max-age=2"}, {"ETag", "\"a\""}, {"Date", date(-900)}});
    for (const http::Headers& answer : {headers({{"Date", date(0)}}), headers({})}) {
        const http::Headers merged = updated_by_304(stored, answer, {});
        EXPECT_TRUE(reused(merged, 1));
        EXPECT_FALSE(reused(merged, 2));
        EXPECT_EQ(stored_fields(merged, store(merged)).get("date"), date(0));
    }
}

TEST(UpdateBy304, AnAnswerThatMayNoLongerBeKeptIsNot) {
    const http::Headers stored = headers({{"Cache-Control", "max-age=2"}, {"ETag", "\"a\""}});
    EXPECT_EQ(store(updated_by_304(stored, headers({{"Cache-Control", "private"}}), {})).refusal, Refusal::kPrivate);
}

TEST(UpdateBy304, GivesATagToAnAnswerThatHadNone) {
    EXPECT_EQ(updated_by_304(headers({{"Last-Modified", kModified}}), headers({{"ETag", "\"a\""}}), {}).get("etag"),
              "\"a\"");
}

TEST(HeadAnswer, FreshensOrInvalidatesAStoredGet) {
    const auto effect = [](Fields answer, int status = 200) {
        return effect_of_head(status, headers(answer), "\"a\"", kModified, 36);
    };
    EXPECT_EQ(effect({{"ETag", "\"a\""}, {"Last-Modified", kModified}, {"Content-Length", "36"}}),
              HeadEffect::kFreshen);
    EXPECT_EQ(effect({}), HeadEffect::kFreshen);
    EXPECT_EQ(effect({{"ETag", "\"b\""}}), HeadEffect::kInvalidate);
    EXPECT_EQ(effect({{"ETag", "W/\"a\""}}), HeadEffect::kInvalidate);
    EXPECT_EQ(effect({{"Last-Modified", date(0)}}), HeadEffect::kInvalidate);
    EXPECT_EQ(effect({{"Content-Length", "37"}}), HeadEffect::kInvalidate);
    EXPECT_EQ(effect({{"Content-Length", "x"}}), HeadEffect::kInvalidate);
    EXPECT_EQ(effect({{"ETag", "\"b\""}}, 410), HeadEffect::kNone);
}

}  // namespace
}  // namespace tidegate::cache::rules
