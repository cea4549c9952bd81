// What a conformance probe sends a server of RFC 9112: partial requests that must wait, honest ones with odd but allowed
// forms that must be served, and wrong ones that must be refused; each whole, byte by byte and in threes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

constexpr int kWaits = 0;   // No answer, the connection stays.
constexpr int kServed = 1;  // 200, and the connection serves the next request.

struct Probe {
    const char* name;
    std::string bytes;
    int expected;  // kWaits, kServed, or the status of a refusal that closes the connection.
};

const std::string kGet = "GET / HTTP/1.1\r\nHost: example.org\r\n";

std::vector<Probe> partial_requests() {
    std::vector<Probe> probes;
    const std::pair<const char*, const char*> cuts[] = {
        {"part of the method", "GE"},
        {"the method", "GET"},
        {"the method and its blank", "GET "},
        {"part of the target", "GET /hel"},
        {"the target and its blank", "GET /hello "},
        {"part of the version", "GET /hello HT"},
        {"the version without its minor number", "GET /hello HTTP/1."},
        {"the request line without its end", "GET /hello HTTP/1.1"},
        {"the request line and CR", "GET /hello HTTP/1.1\r"},
        {"the request line", "GET /hello HTTP/1.1\r\n"},
        {"part of a field name", "GET /hello HTTP/1.1\r\nHos"},
        {"a field name and its colon", "GET /hello HTTP/1.1\r\nHost:"},
        {"part of a field value", "GET /hello HTTP/1.1\r\nHost: exam"},
        {"a field value and CR", "GET /hello HTTP/1.1\r\nHost: example.org\r"},
        {"a field", "GET /hello HTTP/1.1\r\nHost: example.org\r\n"},
        {"all but the last LF", "GET /hello HTTP/1.1\r\nHost: example.org\r\n\r"},
        {"part of a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"},
        {"part of a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"},
        {"chunks without the last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
    };
    for (const auto& [name, bytes] : cuts) probes.push_back({name, bytes, kWaits});
    return probes;
}

std::vector<Probe> honest_requests() {
    return {
        {"a plain GET", kGet + "\r\n", kServed},
        {"blanks and tabs around values", "GET / HTTP/1.1\r\nHost:\t example.org \t\r\nX-A:   b\r\n\r\n", kServed},
        {"an empty value", kGet + "X-Empty:\r\n\r\n", kServed},
        {"one empty line before", "\r\n" + kGet + "\r\n", kServed},
        {"field names in any case", "GET / HTTP/1.1\r\nhOST: example.org\r\ncONNECTION: keep-alive\r\n\r\n", kServed},
        {"every character of a token in a name", kGet + "!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n", kServed},
        {"a comma and quotes in a value", kGet + "X-A: \"a, b\", c; d=\"\\\"\"\r\n\r\n", kServed},
        {"a byte beyond ASCII in a value", kGet + "X-A: caf\xE9\r\n\r\n", kServed},
        {"a query and escapes", "GET /a%20b?c=d&e=%26 HTTP/1.1\r\nHost: a\r\n\r\n", kServed},
        {"the absolute form", "GET http://example.org/a HTTP/1.1\r\nHost: example.org\r\n\r\n", kServed},
        {"a port in Host", "GET / HTTP/1.1\r\nHost: example.org:8080\r\n\r\n", kServed},
        {"an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", kServed},
        {"a method nobody knows", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", kServed},
        {"a method in lower case, another one than GET", "get / HTTP/1.1\r\nHost: a\r\n\r\n", kServed},
        {"a POST with a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", kServed},
        {"a POST with an empty body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", kServed},
        {"a length with zeros before", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello", kServed},
        {"chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
         kServed},
        {"chunks with zeros, extensions and trailers",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n005;a=\"b\"\r\nhello\r\n000\r\nX-T: "
         "1\r\n\r\n",
         kServed},
        {"HTTP/1.0 that asks to stay", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", kServed},
    };
}

std::vector<Probe> wrong_requests() {
    using namespace std::string_literals;
    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    return {
        {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
        {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"HTTP/9.9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
        {"HTTP/1.1.1", "GET / HTTP/1.1.1\r\nHost: a\r\n\r\n", 400},
        {"a version that is none", "GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400},
        {"garbage before the request", "\x16\x03\x01garbage\r\n\r\n", 400},
        {"blanks before the request", "  GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"lines that end with LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
        {"lines that end with CR", "GET / HTTP/1.1\rHost: a\r\r\n\r\n", 400},
        {"no CR LF between request line and field", "GET / HTTP/1.1Host: a\r\n\r\n", 400},
        {"no Host", "GET / HTTP/1.1\r\nX-A: b\r\n\r\n", 400},
        {"two Hosts", kGet + "Host: example.org\r\n\r\n", 400},
        {"a folded value", kGet + "X-A: b\r\n c\r\n\r\n", 400},
        {"a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"an empty name", kGet + ": b\r\n\r\n", 400},
        {"a field without a colon", kGet + "X-A\r\n\r\n", 400},
        {"a bracket in a name", kGet + "X[A]: b\r\n\r\n", 400},
        {"a blank inside a name", kGet + "X A: b\r\n\r\n", 400},
        {"NUL in a value", kGet + "X-A: a\0b\r\n\r\n"s, 400},
        {"CR in a value", kGet + "X-A: a\rb\r\n\r\n", 400},
        {"BEL in a value", kGet + "X-A: a\ab\r\n\r\n", 400},
        {"a negative length", post + "Content-Length: -5\r\n\r\nhello", 400},
        {"a length beyond 64 bits below zero", post + "Content-Length: -99999999999999999999\r\n\r\n", 400},
        {"a length beyond 64 bits", post + "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {"a length of letters", post + "Content-Length: abc\r\n\r\n", 400},
        {"two lengths that differ", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
        {"a list of lengths", post + "Content-Length: 5, 6\r\n\r\nhello", 400},
        {"a length and chunks", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"chunked, but not last", post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
        {"a chunk size of letters", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n", 400},
        {"a negative chunk size", post + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400},
        {"a chunk size beyond 64 bits", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400},
        {"a chunk longer than its size", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400},
        {"an expectation nobody knows", post + "Expect: tea\r\nContent-Length: 0\r\n\r\n", 417},
    };
}

void check(const Probe& probe, std::size_t step) {
    const std::string context = std::string(probe.name) + ", step " + std::to_string(step);
    Wire wire{.input = probe.bytes, .read_step = step};
    Bench bench(wire);
    bench.application.handler = [](const ExchangePtr& exchange) {
        exchange->respond(with_body(exchange->head().path));
    };
    bench.run();
    if (probe.expected == kWaits) {
        EXPECT_EQ(wire.output, "") << context;
        EXPECT_FALSE(bench.closed() || wire.shut) << context;
        EXPECT_EQ(bench.application.requests.load(), 0) << context;
        return;
    }
    wire.input += get("/next");
    bench.run();
    if (probe.expected == kServed) {
        EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 200 OK\r\n")) << context << wire.output;
        EXPECT_TRUE(wire.output.ends_with("/next")) << context;
        EXPECT_EQ(bench.application.requests.load(), 2) << context;
        return;
    }
    EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 " + std::to_string(probe.expected) + ' ')) << context << wire.output;
    EXPECT_TRUE(wire.output.contains("Connection: close\r\n")) << context;
    EXPECT_TRUE(wire.shut) << context;
    EXPECT_EQ(bench.application.requests.load(), 0) << context;
}

void check_all(const std::vector<Probe>& probes) {
    for (const Probe& probe : probes) {
        for (const std::size_t step : {1U, 3U, 1U << 20U}) check(probe, step);
    }
}

TEST(Probe, PartOfARequestWaitsForTheRest) {
    check_all(partial_requests());
}

TEST(Probe, AnHonestRequestIsServedHoweverOddItsForm) {
    check_all(honest_requests());
}

TEST(Probe, AWrongRequestIsRefusedWithItsStatusAndNothingBehindItIsRead) {
    check_all(wrong_requests());
}

TEST(Probe, RequestsThatComeTogetherAreAnsweredInOrder) {
    std::string all;
    std::vector<Probe> probes = honest_requests();
    for (const Probe& probe : probes) all += probe.bytes;
    for (const std::size_t step : {1U, 13U, 1U << 20U}) {
        Wire wire{.input = all, .read_step = step};
        Bench bench(wire);
        std::vector<ExchangePtr> held;
        hold_requests(bench, held);
        for (std::size_t answered = 0; answered < probes.size(); ++answered) {
            bench.run();
            ASSERT_GT(held.size(), answered) << step;
            held[answered]->respond(with_body("<" + std::to_string(answered) + ">"));
        }
        std::size_t place = 0;
        for (std::size_t i = 0; i < probes.size(); ++i) {
            const std::size_t found = wire.output.find("<" + std::to_string(i) + ">");
            ASSERT_NE(found, std::string::npos) << i;
            EXPECT_GE(found, place);
            place = found;
        }
    }
}

TEST(Probe, AMethodNobodyKnowsReachesTheApplicationByItsName) {
    Wire wire{.input = "BREW /pot HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntea"};
    Bench bench(wire);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 1U);
    EXPECT_EQ(held[0]->head().method, Method::kOther);
    EXPECT_EQ(held[0]->head().method_text, "BREW");
    EXPECT_EQ(held[0]->body(), "tea");
}

}  // namespace
}  // namespace tidegate::http
