// Requests that two readers could understand differently, each with the status it must get; used on the parser alone and
// over a socket. After a request line and Host where the vector does not bring its own.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tidegate::http {

struct BadRequest {
    const char* name;
    std::string bytes;
    int status;
};

inline std::string post(const std::string& headers, const std::string& body = {}) {
    return "POST /echo HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body;
}

inline std::vector<BadRequest> bad_framing() {
    return {
        {"two lengths, differing", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400},
        {"two lengths, equal", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
        {"length list", post("Content-Length: 5, 5\r\n", "hello"), 400},
        {"length with plus", post("Content-Length: +5\r\n", "hello"), 400},
        {"length with minus", post("Content-Length: -5\r\n", "hello"), 400},
        {"length with underscore", post("Content-Length: 1_0\r\n", "hello"), 400},
        {"length in hex", post("Content-Length: 0x5\r\n", "hello"), 400},
        {"length with a blank inside", post("Content-Length: 1 0\r\n", "hello"), 400},
        {"length empty", post("Content-Length:\r\n", "hello"), 400},
        {"length of 20 digits", post("Content-Length: 10000000000000000000\r\n"), 400},
        {"length of 20 digits with zeros", post("Content-Length: 00000000000000000005\r\n", "hello"), 400},
        {"length with a fraction", post("Content-Length: 5.0\r\n", "hello"), 400},
        {"length with vertical tab", post("Content-Length: \v5\r\n", "hello"), 400},
        {"length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        {"chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
        {"coding with a leading comma", post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), 400},
        {"coding unknown", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501},
        {"coding gzip", post("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"), 501},
        {"coding list", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400},
        {"coding identity", post("Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 400},
        {"coding twice in one", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400},
        {"coding twice in two", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        {"coding then identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
         400},
        {"coding with a parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 400},
        {"coding quoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400},
        {"coding empty", post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 400},
        {"coding with vertical tab", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), 400},
        {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    };
}

inline std::vector<BadRequest> bad_syntax() {
    using namespace std::string_literals;
    return {
        {"blank before colon", post("Content-Length : 5\r\n", "hello"), 400},
        {"tab before colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), 400},
        {"empty name", post(": value\r\n"), 400},
        {"no colon", post("Garbage\r\n"), 400},
        {"beyond ASCII in a name", post("X-\xC3\xA9: v\r\n"), 400},
        {"control character in a name", post("X\x01Y: v\r\n"), 400},
        {"folded with a blank", post("X-A: 1\r\n 2\r\n"), 400},
        {"folded with a tab", post("X-A: 1\r\n\t2\r\n"), 400},
        {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"NUL in a value", post("X-A: 1\0002\r\n"s), 400},
        {"bare CR in a value", post("X-A: 1\r2\r\n"), 400},
        {"bare LF after a header", "GET / HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n", 400},
        {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
        {"DEL in a value", post("X-A: \x7F\r\n"), 400},
        {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
        {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        {"Host with a wrong port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400},
        {"HTTP/0.9", "GET /\r\n\r\n", 400},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"version too long", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
        {"two blanks before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"two blanks after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"tab in the request line", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"blank at the end of the request line", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"blank at the start", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"two empty lines at the start", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"target without a slash", "GET path HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target * with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target beyond ASCII", "GET /\xC3\xA9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target with NUL", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
        {"target with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"target with another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"escaped NUL", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"escaped line end", "GET /a%0d%0ab HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"escaped slash", "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"escaped backslash", "GET /a%5Cb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"broken escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"escape of no hex", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"overlong UTF-8", "GET /%c0%ae%c0%ae/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"unknown expectation", post("Expect: 200-ok\r\nContent-Length: 2\r\n", "ab"), 417},
        {"request line too long", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {"one header too long", post("X-A: " + std::string(40'000, 'a') + "\r\n"), 431},
    };
}

inline std::vector<BadRequest> bad_heads() {
    std::vector<BadRequest> all = bad_framing();
    for (BadRequest& bad : bad_syntax()) all.push_back(std::move(bad));
    return all;
}

/// Chunked bodies, after the head of a POST.
inline std::vector<BadRequest> bad_chunks() {
    using namespace std::string_literals;
    const auto chunked = [](const std::string& body) { return post("Transfer-Encoding: chunked\r\n", body); };
    return {
        {"size empty", chunked("\r\nhello\r\n0\r\n\r\n"), 400},
        {"size in 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
        {"size negative", chunked("-1\r\nhello\r\n0\r\n\r\n"), 400},
        {"size with plus", chunked("+5\r\nhello\r\n0\r\n\r\n"), 400},
        {"size of 17 digits", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
        {"size beyond 64 bits", chunked("1ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400},
        {"size with a blank before", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
        {"size with a blank after", chunked("5 \r\nhello\r\n0\r\n\r\n"), 400},
        {"size with underscore", chunked("1_0\r\nhello\r\n0\r\n\r\n"), 400},
        {"size line with bare LF", chunked("5\nhello\r\n0\r\n\r\n"), 400},
        {"size line with CR only", chunked("5\rhello\r\n0\r\n\r\n"), 400},
        {"extension with a line end", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400},
        {"extension with NUL", chunked("5;a\0b\r\nhello\r\n0\r\n\r\n"s), 400},
        {"extension of 64 KiB", chunked("5;" + std::string(65'536, 'a') + "\r\nhello\r\n0\r\n\r\n"), 400},
        {"chunk ended by CR X", chunked("5\r\nhello\rX0\r\n\r\n"), 400},
        {"chunk ended by LF", chunked("5\r\nhello\n0\r\n\r\n"), 400},
        {"chunk ended by two wrong bytes", chunked("5\r\nhelloXX0\r\n\r\n"), 400},
        {"chunk longer than said", chunked("4\r\nhello\r\n0\r\n\r\n"), 400},
        {"trailer folded", chunked("0\r\nX-A: 1\r\n 2\r\n\r\n"), 400},
        {"trailer with bare LF", chunked("0\r\nX-A: 1\n\r\n"), 400},
        {"trailer without a name", chunked("0\r\n: 1\r\n\r\n"), 400},
        {"trailer with a blank before colon", chunked("0\r\nX-A : 1\r\n\r\n"), 400},
        {"trailers of 16 KiB", chunked("0\r\nX-A: " + std::string(16'384, 'a') + "\r\n\r\n"), 431},
        {"end with bare LF", chunked("0\r\n\n"), 400},
    };
}

}  // namespace tidegate::http
