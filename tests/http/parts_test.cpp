// Router, content coding, query, output queue.
#include <brotli/decode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "http/compress.h"
#include "http/out_queue.h"
#include "http/router.h"

namespace tidegate::http {
namespace {

Router make_router() {
    Router router;
    const auto add = [&router](Method method, std::string_view pattern, Router::RouteId id) {
        const auto added = router.add(method, pattern, id);
        EXPECT_TRUE(added.has_value()) << added.error().message;
    };
    add(Method::kGet, "/", 1);
    add(Method::kGet, "/live", 2);
    add(Method::kPost, "/api/v1/jobs", 3);
    add(Method::kGet, "/api/v1/jobs", 4);
    add(Method::kGet, "/api/v1/jobs/{id}", 5);
    add(Method::kDelete, "/api/v1/jobs/{id}", 6);
    add(Method::kGet, "/api/v1/jobs/newest", 7);
    add(Method::kGet, "/api/v1/{kind}/newest/all", 8);
    add(Method::kGet, "/v2/models/{model}/versions/{version}/ready", 9);
    add(Method::kGet, "/static/{path...}", 10);
    return router;
}

TEST(Router, FindsLiteralsBeforeParametersAndStepsBack) {
    const Router router = make_router();
    const auto route = [&router](std::string_view path) { return router.find(Method::kGet, path).route; };
    EXPECT_EQ(route("/"), 1U);
    EXPECT_EQ(route("/live"), 2U);
    EXPECT_EQ(route("/api/v1/jobs"), 4U);
    EXPECT_EQ(route("/api/v1/jobs/newest"), 7U);
    EXPECT_EQ(route("/api/v1/jobs/other"), 5U);
    EXPECT_EQ(route("/api/v1/jobs/newest/all"), 8U);
    const auto match = router.find(Method::kGet, "/v2/models/resnet/versions/3/ready");
    EXPECT_EQ(match.route, 9U);
    EXPECT_EQ(match.parameters.get("model"), "resnet");
    EXPECT_EQ(match.parameters.get("version"), "3");
    EXPECT_EQ(match.parameters.get("other"), "");
    EXPECT_EQ(router.find(Method::kGet, "/static/css/a.css").parameters.get("path"), "css/a.css");
}

TEST(Router, AParameterMayHaveAWordBehindIt) {
    Router router;
    ASSERT_TRUE(router.add(Method::kPost, "/v1/models/{model}:predict", 1).has_value());
    ASSERT_TRUE(router.add(Method::kGet, "/v1/models/{model}", 2).has_value());
    ASSERT_TRUE(router.add(Method::kGet, "/v1/models/all:predict", 3).has_value());
    const auto match = router.find(Method::kPost, "/v1/models/a:b:predict");
    EXPECT_EQ(match.route, 1U);
    EXPECT_EQ(match.parameters.get("model"), "a:b");
    EXPECT_EQ(router.find(Method::kGet, "/v1/models/a:b").route, 2U);
    EXPECT_EQ(router.find(Method::kGet, "/v1/models/all:predict").route, 3U);
    EXPECT_EQ(router.find(Method::kGet, "/v1/models/a:predict").outcome, Router::Outcome::kMethodNotAllowed);
    EXPECT_EQ(router.find(Method::kPost, "/v1/models/:predict").outcome, Router::Outcome::kMethodNotAllowed);
    for (const char* pattern : {"/{a}b", "/{a}:", "/{a}:{b}", "/{a...}:b", "/{a}:b/{a}"}) {
        EXPECT_FALSE(router.add(Method::kGet, pattern, 9).has_value()) << pattern;
    }
}

TEST(Router, TellsUnknownPathsFromWrongMethods) {
    const Router router = make_router();
    for (const char* path :
         {"", "live", "/live/", "/lives", "/api", "/api/v1/jobs/", "/api/v1/jobs/a/b", "//live", "/static/", "*"}) {
        EXPECT_EQ(router.find(Method::kGet, path).outcome, Router::Outcome::kNotFound) << path;
    }
    const auto match = router.find(Method::kPut, "/api/v1/jobs");
    EXPECT_EQ(match.outcome, Router::Outcome::kMethodNotAllowed);
    EXPECT_EQ(match.allow, "GET, HEAD, POST");
    EXPECT_EQ(router.find(Method::kPost, "/api/v1/jobs/7").allow, "GET, HEAD, DELETE");
    EXPECT_EQ(router.find(Method::kOther, "/live").outcome, Router::Outcome::kMethodNotAllowed);
    EXPECT_EQ(router.find(Method::kHead, "/live").route, 2U);
}

TEST(Router, RefusesMalformedAndDoubleDeclarations) {
    Router router = make_router();
    for (const char* pattern : {"live", "", "/a{b}", "/{}", "/{a}/{a}", "/{a...}/b", "/{a", "/{a.b}"}) {
        EXPECT_FALSE(router.add(Method::kGet, pattern, 99).has_value()) << pattern;
    }
    EXPECT_FALSE(router.add(Method::kGet, "/live", 99).has_value());
    EXPECT_FALSE(router.add(Method::kPut, "/api/v1/jobs/{other}", 99).has_value());
}

TEST(Router, ARouteForAnyMethodTakesWhatHasNoRouteOfItsOwn) {
    Router router = make_router();
    ASSERT_TRUE(router.add_any("/api/v1/jobs", 20).has_value());
    ASSERT_TRUE(router.add_any("/proxied/{rest...}", 21).has_value());
    const auto route = [&router](Method method, std::string_view path) { return router.find(method, path).route; };
    EXPECT_EQ(route(Method::kGet, "/api/v1/jobs"), 4U);
    EXPECT_EQ(route(Method::kHead, "/api/v1/jobs"), 4U);
    EXPECT_EQ(route(Method::kPut, "/api/v1/jobs"), 20U);
    EXPECT_EQ(route(Method::kOther, "/api/v1/jobs"), 20U);
    for (const Method method : {Method::kGet, Method::kHead, Method::kOptions, Method::kOther}) {
        const auto match = router.find(method, "/proxied/a/b");
        EXPECT_EQ(match.outcome, Router::Outcome::kFound);
        EXPECT_EQ(match.route, 21U);
        EXPECT_EQ(match.parameters.get("rest"), "a/b");
    }
    // The more exact path is chosen first, and keeps its own methods.
    ASSERT_TRUE(router.add(Method::kGet, "/proxied/own", 22).has_value());
    EXPECT_EQ(route(Method::kGet, "/proxied/own"), 22U);
    EXPECT_EQ(router.find(Method::kPost, "/proxied/own").outcome, Router::Outcome::kMethodNotAllowed);
    EXPECT_FALSE(router.add_any("/api/v1/jobs", 23).has_value());
    EXPECT_FALSE(router.add_any("live", 23).has_value());
    ASSERT_TRUE(router.add(Method::kOther, "/odd", 24).has_value());
    EXPECT_EQ(route(Method::kOther, "/odd"), 24U);
    EXPECT_EQ(router.find(Method::kGet, "/odd").outcome, Router::Outcome::kMethodNotAllowed);
}

TEST(Coding, IsChosenByQualityThenByOurPreference) {
    EXPECT_EQ(choose_coding("gzip, deflate, br, zstd"), Coding::kZstd);
    EXPECT_EQ(choose_coding("gzip, deflate, br"), Coding::kBrotli);
    EXPECT_EQ(choose_coding("gzip"), Coding::kGzip);
    EXPECT_EQ(choose_coding("GZIP;q=0.5, br;q=0.4"), Coding::kGzip);
    EXPECT_EQ(choose_coding("br;q=0, gzip;q=0.001"), Coding::kGzip);
    EXPECT_EQ(choose_coding("*"), Coding::kZstd);
    EXPECT_EQ(choose_coding("*;q=0, gzip"), Coding::kGzip);
    EXPECT_EQ(choose_coding("zstd;q=0, *"), Coding::kBrotli);
    EXPECT_EQ(choose_coding("identity;q=1, gzip;q=0.5"), Coding::kIdentity);
    for (const char* header :
         {"", "deflate", "gzip;q=2", "gzip;q=x", "gzip;q=", "br;level=3", "gzip;q=0", "gzip;q=0.1234", ",,"}) {
        EXPECT_EQ(choose_coding(header), Coding::kIdentity) << header;
    }
}

TEST(Coding, WhatIsCompressedDecompressesToTheSame) {
    std::string body;
    for (int i = 0; i < 3000; ++i) body += "{\"name\":\"signal " + std::to_string(i * 7919 % 1000) + "\"},";
    std::string plain(body.size(), '\0');
    const std::string zstd = compress(body, Coding::kZstd).value();
    EXPECT_EQ(::ZSTD_decompress(plain.data(), plain.size(), zstd.data(), zstd.size()), body.size());
    EXPECT_EQ(plain, body);
    const std::string brotli = compress(body, Coding::kBrotli).value();
    std::size_t size = plain.size();
    EXPECT_EQ(::BrotliDecoderDecompress(brotli.size(), reinterpret_cast<const std::uint8_t*>(brotli.data()), &size,
                                        reinterpret_cast<std::uint8_t*>(plain.data())),
              BROTLI_DECODER_RESULT_SUCCESS);
    EXPECT_EQ(plain, body);
    std::string gzip = compress(body, Coding::kGzip).value();
    z_stream stream{};
    ASSERT_EQ(::inflateInit2(&stream, 31), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(gzip.data());
    stream.avail_in = static_cast<uInt>(gzip.size());
    stream.next_out = reinterpret_cast<Bytef*>(plain.data());
    stream.avail_out = static_cast<uInt>(plain.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
    ::inflateEnd(&stream);
    EXPECT_EQ(plain, body);
    EXPECT_LT(zstd.size(), body.size() / 4);
    EXPECT_EQ(compress("", Coding::kGzip).value().substr(0, 2), "\x1f\x8b");
}

TEST(Query, IsDecodedAndBrokenEscapesAreNoticed) {
    EXPECT_EQ(query_value("a=1&b=two+words%21&a=3", "b"), "two words!");
    EXPECT_EQ(query_value("a=1&a=3", "a"), "1");
    EXPECT_EQ(query_value("a", "a"), "");
    EXPECT_EQ(query_value("a=1", "b"), std::nullopt);
    EXPECT_EQ(query_value("a=%zz", "a"), std::nullopt);
    EXPECT_EQ(parse_query("a=1&b=%f"), std::nullopt);
    EXPECT_EQ(parse_query("a=1&&b").value().size(), 2U);
}

TEST(OutQueue, WhatIsSentIsNotKeptThoughTheQueueIsNeverEmpty) {
    for (const std::size_t bytes : {std::size_t{100}, OutQueue::kCopyBytesMax + 1}) {
        SpareBuffers spares;
        OutQueue queue(spares);
        queue.append(std::string(bytes, 'x'));
        for (int i = 0; i < 20'000; ++i) {
            queue.begin_text().append("head");
            queue.end_text();
            queue.append(std::string(bytes, 'x'));
            queue.consume(bytes + 4);
            // One text piece that is still being filled, and the list of the pieces.
            ASSERT_LT(queue.held_bytes(), queue.bytes() + 64 * 1024) << i;
        }
        EXPECT_EQ(queue.bytes(), bytes);
    }
}

TEST(OutQueue, GivesEveryByteOnceWhateverTheWritesTake) {
    for (std::size_t step = 1; step < 6000; step = step * 3 + 1) {
        SpareBuffers spares;
        OutQueue queue(spares);
        std::string expected;
        for (int i = 0; i < 5; ++i) {
            queue.begin_text() += "head " + std::to_string(i);
            queue.end_text();
            std::string body(static_cast<std::size_t>(i) * 2500, static_cast<char>('a' + i));
            expected += "head " + std::to_string(i) + body + body;
            queue.append(body);
            queue.append(std::make_shared<const std::string>(body));
        }
        EXPECT_EQ(queue.queued(), expected.size());
        std::string got;
        while (!queue.empty()) {
            iovec pieces[3];
            const std::size_t count = queue.gather(pieces);
            std::size_t taken = 0;
            for (std::size_t i = 0; i < count && taken < step; ++i) {
                const std::size_t part = std::min(step - taken, pieces[i].iov_len);
                got.append(static_cast<const char*>(pieces[i].iov_base), part);
                taken += part;
            }
            queue.consume(taken);
        }
        EXPECT_EQ(got, expected) << step;
        EXPECT_EQ(queue.sent(), expected.size());
    }
}

}  // namespace
}  // namespace tidegate::http
