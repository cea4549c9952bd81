// What goes out: origins, heads of requests, and what can never get into one.
#include <gtest/gtest.h>

#include <string>

#include "http/client/origin.h"
#include "http/client/request_head.h"

namespace tidegate::http {
namespace {

Origin origin_of(std::string_view url) {
    auto origin = parse_origin(url);
    EXPECT_TRUE(origin.has_value()) << url;
    return origin.value_or(Origin());
}

std::string head_of(const ClientRequest& request, std::string_view url = "http://a.example:8080") {
    auto head = write_request_head(origin_of(url), request);
    EXPECT_TRUE(head.has_value()) << head.error().message;
    return head.value_or("");
}

TEST(OriginTest, readsWhatAPersonWrites) {
    struct Case {
        std::string_view url, host;
        int port;
        bool tls;
        std::string_view authority;
    };
    for (const Case& c : {Case{"http://localhost", "localhost", 80, false, "localhost"},
                          Case{"HTTPS://API.Example.com", "api.example.com", 443, true, "api.example.com"},
                          Case{"http://10.0.0.1:8000/", "10.0.0.1", 8000, false, "10.0.0.1:8000"},
                          Case{"https://[::1]:8443", "::1", 8443, true, "[::1]:8443"},
                          Case{"https://[FE80::1]", "fe80::1", 443, true, "[fe80::1]"},
                          Case{"http://a_b-c:443", "a_b-c", 443, false, "a_b-c:443"}}) {
        const Origin origin = origin_of(c.url);
        EXPECT_EQ(origin.host, c.host);
        EXPECT_EQ(origin.port, c.port);
        EXPECT_EQ(origin.tls, c.tls);
        EXPECT_EQ(authority_of(origin), c.authority);
    }
}

TEST(OriginTest, refusesWhatIsNoOrigin) {
    for (const std::string_view url : {"",
                                       "localhost",
                                       "localhost:80",
                                       "ftp://a",
                                       "http://",
                                       "http://:80",
                                       "http://a:",
                                       "http://a:0",
                                       "http://a:65536",
                                       "http://a:8 0",
                                       "http://a:+80",
                                       "http://user@a",
                                       "http://user:secret@a",
                                       "http://a/path",
                                       "http://a//",
                                       "http://a?q",
                                       "http://a#f",
                                       "http://a b",
                                       "http://a\r\nHost: b",
                                       "http://[::1",
                                       "http://[::1]80",
                                       "http://[x]",
                                       "http://[127.0.0.1]",
                                       "http://::1",
                                       "http://a..b",
                                       "http://-a",
                                       "http://.a",
                                       "http://a%41"}) {
        const auto origin = parse_origin(url);
        ASSERT_FALSE(origin.has_value()) << url;
        EXPECT_EQ(origin.error().code, ErrorCode::kInvalidArgument);
        EXPECT_FALSE(origin.error().message.empty());
    }
}

TEST(RequestHeadTest, theFramingIsTheClientsOwn) {
    ClientRequest request;
    request.method = "POST";
    request.target = "/a?b=%0d";
    request.headers.add("Host", "example.org");
    request.headers.add("content-length", "999");
    request.headers.add("Transfer-Encoding", "gzip, chunked");
    request.headers.add("Connection", "close, X-Key");
    request.headers.add("Keep-Alive", "5");
    request.headers.add("TE", "trailers");
    request.headers.add("Trailer", "X");
    request.headers.add("Upgrade", "h2c");
    request.headers.add("Proxy-Connection", "close");
    request.headers.add("Expect", "100-continue");
    request.headers.add("X-Key", "v \t\xC3\xA9");
    request.body = "12345";
    EXPECT_EQ(head_of(request),
              "POST /a?b=%0d HTTP/1.1\r\nHost: example.org\r\nX-Key: v \t\xC3\xA9\r\nContent-Length: 5\r\n\r\n");
    request.streamed = true;
    EXPECT_TRUE(head_of(request).ends_with("\r\nTransfer-Encoding: chunked\r\n\r\n"));
    request.content_length = 7;
    EXPECT_TRUE(head_of(request).ends_with("\r\nContent-Length: 7\r\n\r\n"));
}

TEST(RequestHeadTest, aBodyIsAnnouncedWhereOneIsExpected) {
    ClientRequest request;
    EXPECT_EQ(head_of(request), "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n");
    EXPECT_EQ(head_of(request, "https://[::1]"), "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    request.method = "PUT";
    EXPECT_TRUE(head_of(request).ends_with("\r\nContent-Length: 0\r\n\r\n"));
    request.method = "GET";
    request.upgrade = "websocket";
    EXPECT_TRUE(head_of(request).ends_with("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
}

TEST(RequestHeadTest, nothingGivenCanBeginALineOfItsOwn) {
    const auto refused = [](auto change) {
        ClientRequest request;
        request.headers.add("Host", "a");
        change(request);
        const auto head = write_request_head(origin_of("http://a"), request);
        return !head.has_value() && head.error().code == ErrorCode::kInvalidArgument;
    };
    const std::string nul("a\0b", 3);
    for (const std::string& bad : {std::string("a\r\nX: y"), std::string("a\nb"), std::string("a\rb"), nul,
                                   std::string("a\x7F"), std::string("a\x01")}) {
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.headers.add("X", bad); }));
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.headers.add(bad, "x"); }));
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.target = "/" + bad; }));
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.method = bad; }));
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.upgrade = bad; }));
    }
    for (const std::string_view target : {"", "a", "http://b/", "/a b", "/a#f", "/\xC3\xA9"}) {
        EXPECT_TRUE(refused([&](ClientRequest& r) { r.target = target; })) << target;
    }
    EXPECT_TRUE(refused([](ClientRequest& r) { r.method = ""; }));
    EXPECT_TRUE(refused([](ClientRequest& r) { r.method = "CONNECT"; }));
    EXPECT_TRUE(refused([](ClientRequest& r) { r.headers.add("", "x"); }));
    EXPECT_TRUE(refused([](ClientRequest& r) { r.headers.add("A B", "x"); }));
    EXPECT_TRUE(refused([](ClientRequest& r) { r.headers.add("A:", "x"); }));
    EXPECT_TRUE(refused([](ClientRequest& r) { r.headers.add("host", "b"); })) << "two Hosts";
    EXPECT_TRUE(refused([](ClientRequest& r) {
        r.upgrade = "websocket";
        r.body = "x";
    }));
    EXPECT_FALSE(refused([](ClientRequest& r) { r.target = "*"; }));
    EXPECT_FALSE(refused([](ClientRequest& r) { r.headers.add("X-Empty", ""); }));
}

TEST(RequestHeadTest, onlyMethodsThatMayBeAskedTwiceAreIdempotent) {
    for (const std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
        EXPECT_TRUE(is_idempotent(method)) << method;
    }
    for (const std::string_view method : {"POST", "PATCH", "get", "", "PURGE"}) {
        EXPECT_FALSE(is_idempotent(method)) << method;
    }
}

}  // namespace
}  // namespace tidegate::http
