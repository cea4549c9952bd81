// What a client's conditions and ranges get from a stored whole answer (RFC 9110, 13 and 14).
#include "pipeline/cache/rules/conditional.h"

#include <gtest/gtest.h>

#include "pipeline_cache_rules/scenario.h"

namespace tidegate::cache::rules {
namespace {

using Kind = Answer::Kind;

struct Stored {
    std::string etag = "\"abcdef\"";
    std::string modified = date(-3000);
    std::uint64_t bytes = 11;
    int status = 200;
};
Answer ask(Fields request, const Stored& stored = {}, http::Method method = http::Method::kGet) {
    return answer_for(method, headers(request), {stored.status, stored.etag, stored.modified, kStart, stored.bytes},
                      kStart + 5000);
}
Kind kind(Fields request, const Stored& stored = {}) {
    return ask(request, stored).kind;
}

TEST(EntityTag, IsQuotedAndNothingElse) {
    EXPECT_TRUE(parse_etag("\"\""));
    EXPECT_TRUE(parse_etag("\"a b\"") == std::nullopt);
    EXPECT_TRUE(parse_etag("\"\xc3\xbc,\""));
    EXPECT_TRUE(parse_etag("W/\"a\"")->weak);
    for (const std::string_view text : {"", "a", "\"", "\"a", "a\"", "w/\"a\"", "W\"a\"", "W\\\"a\"", "\"a\"b\""}) {
        EXPECT_FALSE(parse_etag(text)) << text;
    }
}

TEST(IfNoneMatch, MatchesWeaklyAnywhereInTheList) {
    for (const std::string_view list :
         {"\"abcdef\"", "W/\"abcdef\"", "\"abcdef\", \"1\", \"2\"", "\"1\", \"abcdef\", \"2\"",
          "\"1\",\"2\",\"abcdef\"", "*", " * ", "\"a,b\", \"abcdef\"", ", ,\"abcdef\""}) {
        EXPECT_EQ(kind({{"If-None-Match", list}}), Kind::kNotModified) << list;
    }
    for (const std::string_view list :
         {"\"abcde\"", "abcdef", "", "\"abcdef", "\"1\", \"*\"", "x\"abcdef\"", "\"x\"\"abcdef\"x"}) {
        if (list == "\"x\"\"abcdef\"x") continue;
        EXPECT_EQ(kind({{"If-None-Match", list}}), Kind::kWhole) << list;
    }
    EXPECT_EQ(kind({{"If-None-Match", "\"1\""}, {"If-None-Match", "\"abcdef\""}}), Kind::kNotModified);
}

TEST(IfNoneMatch, AStoredTagThatIsNoneMatchesOnlyAStar) {
    EXPECT_EQ(kind({{"If-None-Match", "abcdef"}}, {.etag = "abcdef"}), Kind::kWhole);
    EXPECT_EQ(kind({{"If-None-Match", "\"abcdef\""}}, {.etag = ""}), Kind::kWhole);
    EXPECT_EQ(kind({{"If-None-Match", "*"}}, {.etag = ""}), Kind::kNotModified);
}

TEST(IfModifiedSince, IsHeardOnlyWithoutIfNoneMatch) {
    EXPECT_EQ(kind({{"If-Modified-Since", date(-3000)}}), Kind::kNotModified);
    EXPECT_EQ(kind({{"If-Modified-Since", date(-2000)}}), Kind::kNotModified);
    EXPECT_EQ(kind({{"If-Modified-Since", date(-3001)}}), Kind::kWhole);
    EXPECT_EQ(kind({{"If-None-Match", "\"other\""}, {"If-Modified-Since", date(-1)}}), Kind::kWhole);
    EXPECT_EQ(kind({{"If-None-Match", "\"abcdef\""}, {"If-Modified-Since", date(-9000)}}), Kind::kNotModified);
}

TEST(IfModifiedSince, ReadsAllThreeFormatsAndIgnoresNonsense) {
    // 3000 s before kStart: 2026-03-01 11:10:00.
    EXPECT_EQ(kind({{"If-Modified-Since", "Sunday, 01-Mar-26 11:10:00 GMT"}}), Kind::kNotModified);
    EXPECT_EQ(kind({{"If-Modified-Since", "Sun Mar  1 11:10:00 2026"}}), Kind::kNotModified);
    EXPECT_EQ(kind({{"If-Modified-Since", "yesterday"}}), Kind::kWhole);
    EXPECT_EQ(kind({{"If-Modified-Since", date(0)}, {"If-Modified-Since", date(0)}}), Kind::kWhole);
}

TEST(IfModifiedSince, WithoutLastModifiedTheDateStandsForIt) {
    EXPECT_EQ(kind({{"If-Modified-Since", date(0)}}, {.modified = ""}), Kind::kNotModified);
    EXPECT_EQ(kind({{"If-Modified-Since", date(-1)}}, {.modified = ""}), Kind::kWhole);
}

TEST(Conditions, CountOnlyForSuccessesOfReads) {
    EXPECT_EQ(kind({{"If-None-Match", "*"}}, {.status = 404}), Kind::kWhole);
    EXPECT_EQ(ask({{"If-None-Match", "*"}}, {}, http::Method::kPost).kind, Kind::kWhole);
    EXPECT_EQ(ask({{"If-None-Match", "*"}}, {}, http::Method::kHead).kind, Kind::kNotModified);
}

struct RangeCase {
    std::string_view field;
    Kind kind;
    std::uint64_t first, last;
};
TEST(Range, TableOfElevenBytes) {
    for (const RangeCase& c : std::initializer_list<RangeCase>{
             {"bytes=0-1", Kind::kPart, 0, 1},
             {"bytes=1-", Kind::kPart, 1, 10},
             {"bytes=-1", Kind::kPart, 10, 10},
             {"bytes=-11", Kind::kPart, 0, 10},
             {"bytes=-99", Kind::kPart, 0, 10},
             {"bytes=0-", Kind::kPart, 0, 10},
             {"bytes=10-10", Kind::kPart, 10, 10},
             {"bytes=5-99999999999999999999999", Kind::kPart, 5, 10},
             {"BYTES=0-0", Kind::kPart, 0, 0},
             {"bytes= 0-1 ", Kind::kPart, 0, 1},
             {"bytes=11-", Kind::kUnsatisfiable, 0, 0},
             {"bytes=11-20", Kind::kUnsatisfiable, 0, 0},
             {"bytes=99999999999999999999999-", Kind::kUnsatisfiable, 0, 0},
             {"bytes=-0", Kind::kUnsatisfiable, 0, 0},
             {"bytes=2-1", Kind::kWhole, 0, 0},
             {"bytes=0-1,3-4", Kind::kWhole, 0, 0},
             {"bytes=", Kind::kWhole, 0, 0},
             {"bytes=-", Kind::kWhole, 0, 0},
             {"bytes=a-b", Kind::kWhole, 0, 0},
             {"bytes=1", Kind::kWhole, 0, 0},
             {"bytes=--1", Kind::kWhole, 0, 0},
             {"lines=0-1", Kind::kWhole, 0, 0},
             {"bytes 0-1", Kind::kWhole, 0, 0},
         }) {
        const Answer a = ask({{"Range", c.field}});
        EXPECT_EQ(a.kind, c.kind) << c.field;
        if (c.kind == Kind::kPart) {
            EXPECT_EQ(a.first, c.first) << c.field;
            EXPECT_EQ(a.last, c.last) << c.field;
        }
    }
}

TEST(Range, OfNothingAndOfOtherAnswersIsIgnored) {
    EXPECT_EQ(kind({{"Range", "bytes=-5"}}, {.bytes = 0}), Kind::kWhole);
    EXPECT_EQ(kind({{"Range", "bytes=0-"}}, {.bytes = 0}), Kind::kUnsatisfiable);
    EXPECT_EQ(kind({{"Range", "bytes=0-1"}}, {.status = 203}), Kind::kWhole);
    EXPECT_EQ(ask({{"Range", "bytes=0-1"}}, {}, http::Method::kHead).kind, Kind::kWhole);
    EXPECT_EQ(kind({{"Range", "bytes=0-1"}, {"Range", "bytes=0-1"}}), Kind::kWhole);
    EXPECT_EQ(kind({{"Range", "bytes=0-1"}, {"If-None-Match", "\"abcdef\""}}), Kind::kNotModified);
}

TEST(IfRange, NeedsAStrongValidatorThatIsTheSame) {
    const auto with = [](std::string_view validator, const Stored& stored = {}) {
        return kind({{"Range", "bytes=0-1"}, {"If-Range", validator}}, stored);
    };
    EXPECT_EQ(with("\"abcdef\""), Kind::kPart);
    EXPECT_EQ(with("\"other\""), Kind::kWhole);
    EXPECT_EQ(with("W/\"abcdef\""), Kind::kWhole);
    EXPECT_EQ(with("W/\"abcdef\"", {.etag = "W/\"abcdef\""}), Kind::kWhole);
    EXPECT_EQ(with(date(-3000)), Kind::kPart);
    EXPECT_EQ(with(date(-2999)), Kind::kWhole);
    EXPECT_EQ(with(date(0), {.modified = date(0)}), Kind::kWhole);
    EXPECT_EQ(with("nonsense"), Kind::kWhole);
}

TEST(ContentRange, SaysPartAndWhole) {
    EXPECT_EQ(content_range({Kind::kPart, 0, 1}, 11), "bytes 0-1/11");
    EXPECT_EQ(content_range({Kind::kUnsatisfiable, 0, 0}, 11), "bytes */11");
}

TEST(NotModified, CarriesWhatTheClientNeedsToUpdateItsCopy) {
    const http::Headers out = not_modified_fields(headers({{"ETag", "\"a\""},
                                                           {"Content-Type", "x/y"},
                                                           {"Content-Length", "5"},
                                                           {"Cache-Control", "max-age=9"},
                                                           {"Content-Location", "/y"},
                                                           {"Date", date(0)},
                                                           {"Expires", date(9)},
                                                           {"Vary", "a"},
                                                           {"Last-Modified", date(-9)},
                                                           {"Access-Control-Allow-Origin", "*"},
                                                           {"X-Other", "1"}}));
    std::string names;
    for (const auto& [name, value] : out.fields()) names.append(name).append(" ");
    EXPECT_EQ(names, "ETag Cache-Control Content-Location Date Expires Vary Access-Control-Allow-Origin ");
    EXPECT_TRUE(not_modified_fields(headers({{"Last-Modified", date(-9)}})).get("last-modified"));
}

}  // namespace
}  // namespace tidegate::cache::rules
