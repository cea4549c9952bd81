// The parsers alone: every malformed form is refused, every splitting of the input gives the same outcome.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "http/chunked_decoder.h"
#include "http/request_parser.h"
#include "http/smuggling_vectors.h"

namespace tidegate::http {
namespace {

struct Parsed {
    RequestParser::Status status = RequestParser::Status::kNeedMore;
    int error = 0;
    std::size_t consumed = 0;
    RequestHead head;
};

/// Feeds `bytes` in steps of `step`.
Parsed parse(const std::string& bytes, std::size_t step, const Limits& limits = {}) {
    Parsed out;
    RequestParser parser(limits);
    for (std::size_t end = std::min(step, bytes.size());; end = std::min(end + step, bytes.size())) {
        out.status = parser.parse(std::string_view(bytes).substr(0, end), out.head);
        if (out.status != RequestParser::Status::kNeedMore || end == bytes.size()) break;
    }
    out.error = out.status == RequestParser::Status::kError ? parser.error().status : 0;
    out.consumed = out.status == RequestParser::Status::kDone ? parser.consumed() : 0;
    return out;
}

std::string path_of(const std::string& target) {
    const Parsed out = parse("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n", 1 << 20);
    return out.status == RequestParser::Status::kDone ? out.head.path : "refused " + std::to_string(out.error);
}

TEST(RequestParser, RefusesEveryMalformedHeadWhateverTheSplitting) {
    for (const BadRequest& bad : bad_heads()) {
        for (const std::size_t step : std::array<std::size_t, 4>{1, 2, 7, 1 << 20}) {
            const Parsed out = parse(bad.bytes, step);
            EXPECT_EQ(out.status, RequestParser::Status::kError) << bad.name << ", step " << step;
            EXPECT_EQ(out.error, bad.status) << bad.name << ", step " << step;
        }
    }
}

TEST(RequestParser, ReadsTheSameHeadWhateverTheSplitting) {
    const std::string bytes =
        "\r\nPOST /api/v1/detect%20this/../text?q=%zz&r=1 HTTP/1.1\r\nhOsT: example.org:8000\r\nX-Empty:\r\n"
        "X-Obs: caf\xE9\r\nX-Blank: \t v a l \t\r\nConnection: Keep-Alive, close\r\ncontent-length: 0012\r\n\r\nhello";
    const std::size_t head = bytes.size() - 5;
    for (const std::size_t step : std::array<std::size_t, 5>{1, 2, 3, 11, 1 << 20}) {
        const Parsed out = parse(bytes, step);
        ASSERT_EQ(out.status, RequestParser::Status::kDone) << step;
        EXPECT_EQ(out.consumed, head);
        EXPECT_EQ(out.head.method, Method::kPost);
        EXPECT_EQ(out.head.path, "/api/v1/text");
        EXPECT_EQ(out.head.query, "q=%zz&r=1");
        EXPECT_EQ(out.head.headers.get("Host"), "example.org:8000");
        EXPECT_EQ(out.head.headers.get("x-empty"), "");
        EXPECT_EQ(out.head.headers.get("X-BLANK"), "v a l");
        EXPECT_EQ(out.head.content_length, 12U);
    }
}

TEST(RequestParser, KeepAliveFollowsVersionAndConnection) {
    const auto keep = [](const std::string& bytes) {
        const Limits limits;
        RequestParser parser(limits);
        RequestHead head;
        EXPECT_EQ(parser.parse(bytes, head), RequestParser::Status::kDone) << bytes;
        return parser.keep_alive();
    };
    EXPECT_TRUE(keep("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close ,y\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keep("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

TEST(RequestParser, ThePathIsNormalisedOnceAndNeverLeavesTheRoot) {
    EXPECT_EQ(path_of("/"), "/");
    EXPECT_EQ(path_of("/a/b"), "/a/b");
    EXPECT_EQ(path_of("/a/./b/"), "/a/b/");
    EXPECT_EQ(path_of("/a/../b"), "/b");
    EXPECT_EQ(path_of("/../../etc/passwd"), "/etc/passwd");
    EXPECT_EQ(path_of("/%2e%2e/%2E%2E/etc"), "/etc");
    EXPECT_EQ(path_of("/a/.."), "/");
    EXPECT_EQ(path_of("/a/b/.."), "/a/");
    EXPECT_EQ(path_of("/a/."), "/a/");
    EXPECT_EQ(path_of("/.hidden/...x"), "/.hidden/...x");
    EXPECT_EQ(path_of("//a//b"), "//a//b");
    EXPECT_EQ(path_of("/a;b=1"), "/a;b=1");
    EXPECT_EQ(path_of("/%25%32%65"), "/%2e");
    EXPECT_EQ(path_of("/caf%C3%A9"), "/caf\xC3\xA9");
    EXPECT_EQ(path_of("/a%ff"), "refused 400");
    EXPECT_EQ(path_of("http://other"), "/");
    EXPECT_EQ(path_of("http://other?x"), "/");
}

TEST(RequestParser, TheAuthorityOfAnAbsoluteTargetReplacesHost) {
    const Parsed out = parse("GET http://real.example:81/p?q HTTP/1.1\r\nHost: other\r\nX-A: 1\r\n\r\n", 1 << 20);
    ASSERT_EQ(out.status, RequestParser::Status::kDone);
    EXPECT_EQ(out.head.headers.get("Host"), "real.example:81");
    EXPECT_EQ(out.head.headers.count("Host"), 1U);
    EXPECT_EQ(out.head.path, "/p");
    EXPECT_EQ(out.head.query, "q");
}

TEST(RequestParser, LimitsAreExact) {
    Limits limits;
    limits.request_line_bytes_max = 100;
    limits.headers_bytes_max = 300;
    limits.headers_count_max = 3;
    const auto line = [](std::size_t bytes) {
        return "GET /" + std::string(bytes - 14 - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    EXPECT_EQ(parse(line(100), 1, limits).status, RequestParser::Status::kDone);
    EXPECT_EQ(parse(line(101), 1, limits).error, 414);
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
    EXPECT_EQ(parse(start + "A: 1\r\nB: 2\r\n\r\n", 1, limits).status, RequestParser::Status::kDone);
    EXPECT_EQ(parse(start + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", 1, limits).error, 431);
    EXPECT_EQ(parse(start + "A: " + std::string(300, 'x') + "\r\n\r\n", 1, limits).error, 431);
    EXPECT_EQ(parse(start + "A: " + std::string(100'000, 'x'), 1 << 20, limits).error, 431);
}

/// Decodes in steps; the body on success, else `refused STATUS` or `more`.
std::string decode(std::string_view bytes, std::size_t step, std::uint64_t bytes_max = 1 << 20) {
    ChunkedDecoder decoder;
    std::string body;
    BufferSink sink(body, bytes_max);
    while (!bytes.empty()) {
        std::size_t consumed = 0;
        switch (decoder.decode(bytes.substr(0, step), sink, consumed)) {
            case ChunkedDecoder::Status::kDone:
                return body;
            case ChunkedDecoder::Status::kError:
                return "refused " + std::to_string(decoder.error().status);
            case ChunkedDecoder::Status::kSinkFull:
                return "full";
            case ChunkedDecoder::Status::kNeedMore:
                bytes.remove_prefix(consumed);
                break;
        }
    }
    return "more";
}

TEST(ChunkedDecoder, RefusesEveryMalformedBodyWhateverTheSplitting) {
    for (const BadRequest& bad : bad_chunks()) {
        const std::string body = bad.bytes.substr(bad.bytes.find("\r\n\r\n") + 4);
        for (const std::size_t step : std::array<std::size_t, 4>{1, 2, 7, 1 << 20}) {
            EXPECT_EQ(decode(body, step), "refused " + std::to_string(bad.status)) << bad.name << ", step " << step;
        }
    }
}

TEST(ChunkedDecoder, JoinsChunksDropsExtensionsAndTrailers) {
    const std::string body =
        "5\r\nhello\r\n0006;name=\"v\"\r\n world\r\nA\r\n0123456789\r\n000\r\nX-Check: 1\r\nY:\r\n\r\nGET";
    for (const std::size_t step : std::array<std::size_t, 4>{1, 2, 7, 1 << 20}) {
        EXPECT_EQ(decode(body, step), "hello world0123456789") << step;
    }
    EXPECT_EQ(decode("5\r\nhel", 1), "more");
    EXPECT_EQ(decode("5\r\nhello\r\n0\r\n\r\n", 1, 4), "full");
    EXPECT_EQ(decode("ffffffffffffffff\r\nhello", 1 << 20, 1 << 20), "more");
}

}  // namespace
}  // namespace tidegate::http
