// The reader of answers: what is taken, what is refused, and that the splitting of the bytes never matters.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "http/client/answer_reader.h"

namespace tidegate::http {
namespace {

using Status = AnswerReader::Status;

constexpr std::size_t kHeadMax = 4096;

struct Asked {
    bool head = false;
    std::string_view upgrade;
};

/// Writes down the events of one answer.
struct Events final : AnswerSink {
    std::vector<int> interims;
    int status = 0;
    ResponseHead head;
    std::string body;
    bool tunnel = false;
    bool pause = false;  // After each piece.

    void on_interim(int got, const Headers&) override { interims.push_back(got); }
    void on_head(ResponseHead got) override {
        head = std::move(got);
        status = head.status;
    }
    void on_tunnel(ResponseHead got) override {
        on_head(std::move(got));
        tunnel = true;
    }
    bool on_body(std::string_view bytes) override {
        body.append(bytes);
        return !pause;
    }
};

struct Outcome {
    Events events;
    Status status = Status::kNeedMore;
    std::size_t consumed = 0;
    std::string error;
    bool keep_alive = false;
    std::string error_at_end;  // Of end_of_input(); empty when that is fine.
};

/// Gives `step` bytes more with each read, as a connection does.
Outcome read_in_steps(std::string_view bytes, std::size_t step, Asked asked, bool pause) {
    Outcome out;
    out.events.pause = pause;
    AnswerReader reader(kHeadMax);
    reader.reset(asked.head, asked.upgrade);
    std::size_t end = std::min(step, bytes.size());
    for (;;) {
        std::size_t used = 0;
        out.status = reader.read(bytes.substr(out.consumed, end - out.consumed), used, out.events);
        out.consumed += used;
        if (out.status == Status::kPaused) {
            reader.resume();
            if (out.consumed < end) continue;
        } else if (out.status != Status::kNeedMore) {
            break;
        }
        if (end == bytes.size()) break;
        end = std::min(end + step, bytes.size());
    }
    out.error = reader.error();
    out.keep_alive = reader.keep_alive();
    if (out.status != Status::kEnd && out.status != Status::kError && reader.end_of_input() == Status::kError) {
        out.error_at_end = reader.error();
    }
    return out;
}

Outcome read(std::string_view bytes, Asked asked = {}) {
    Outcome whole = read_in_steps(bytes, bytes.size(), asked, false);
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}}) {
        for (const bool pause : {false, true}) {
            const Outcome parts = read_in_steps(bytes, step, asked, pause);
            EXPECT_EQ(whole.events.status, parts.events.status) << bytes;
            EXPECT_EQ(whole.events.body, parts.events.body) << bytes;
            EXPECT_EQ(whole.events.interims, parts.events.interims) << bytes;
            EXPECT_EQ(whole.events.head.headers.fields(), parts.events.head.headers.fields()) << bytes;
            EXPECT_EQ(whole.error, parts.error) << bytes;
            EXPECT_EQ(whole.keep_alive, parts.keep_alive) << bytes;
            EXPECT_EQ(whole.error_at_end, parts.error_at_end) << bytes;
            if (whole.status == Status::kEnd) {
                EXPECT_EQ(whole.consumed, parts.consumed) << bytes;
            }
        }
    }
    return whole;
}

std::string ok(std::string_view fields, std::string_view body = {}) {
    return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

TEST(AnswerTest, aLengthEndsTheBodyAndWhatFollowsIsNotPartOfIt) {
    const Outcome out = read(ok("Content-Length: 5\r\nX-A: b\r\n", "12345HTTP/1.1 200 OK\r\n\r\n"));
    EXPECT_EQ(out.status, Status::kEnd);
    EXPECT_EQ(out.events.body, "12345");
    EXPECT_EQ(out.consumed, ok("Content-Length: 5\r\nX-A: b\r\n").size() + 5);
    EXPECT_EQ(out.events.head.content_length, 5U);
    EXPECT_TRUE(out.events.head.has_body);
    EXPECT_TRUE(out.keep_alive);
    EXPECT_EQ(out.events.head.headers.get("x-a"), "b");
}

TEST(AnswerTest, chunksAreTakenApartAndTrailersDropped) {
    const Outcome out = read(
        ok("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", "4;a=b\r\nabcd\r\n1\r\ne\r\n00\r\nX-Sum: 1\r\n\r\n"));
    EXPECT_EQ(out.status, Status::kEnd);
    EXPECT_EQ(out.events.body, "abcde");
    EXPECT_FALSE(out.events.head.content_length.has_value());
    EXPECT_TRUE(out.events.head.headers.fields().empty());
    EXPECT_TRUE(out.keep_alive);
}

TEST(AnswerTest, withoutAnythingTheEndOfTheConnectionEndsTheBody) {
    const Outcome out = read(ok("", "all of it"));
    EXPECT_EQ(out.status, Status::kNeedMore);
    EXPECT_EQ(out.events.body, "all of it");
    EXPECT_EQ(out.error_at_end, "");
    EXPECT_FALSE(out.keep_alive);
    EXPECT_NE(read(ok("Content-Length: 5\r\n", "1234")).error_at_end, "");
    EXPECT_NE(read(ok("Transfer-Encoding: chunked\r\n", "4\r\nabcd\r\n0\r\n")).error_at_end, "");
    EXPECT_NE(read("HTTP/1.1 200 OK\r\n").error_at_end, "");
    EXPECT_NE(read("HTTP/1.1 103 Early Hints\r\n\r\n").error_at_end, "");
}

TEST(AnswerTest, someAnswersHaveNoBodyWhateverTheirHeadSays) {
    for (const std::string_view status : {"204 No Content", "304 Not Modified"}) {
        const Outcome out = read("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 10\r\n\r\n");
        EXPECT_EQ(out.status, Status::kEnd) << status;
        EXPECT_FALSE(out.events.head.has_body);
        EXPECT_EQ(out.events.head.content_length, 10U);
        EXPECT_TRUE(out.keep_alive);
    }
    EXPECT_EQ(read(ok("Content-Length: 10\r\n"), {.head = true}).status, Status::kEnd);
    EXPECT_EQ(read(ok("Transfer-Encoding: chunked\r\n"), {.head = true}).status, Status::kEnd);
    EXPECT_EQ(read(ok(""), {.head = true}).status, Status::kEnd);
    EXPECT_EQ(read(ok("Content-Length: 0\r\n")).status, Status::kEnd);
}

TEST(AnswerTest, keepAliveIsWhatBothVersionAndConnectionAllow) {
    const auto kept = [](std::string_view start, std::string_view fields) {
        return read("HTTP/" + std::string(start) + " 200 OK\r\nContent-Length: 0\r\n" + std::string(fields) + "\r\n")
            .keep_alive;
    };
    EXPECT_TRUE(kept("1.1", ""));
    EXPECT_TRUE(kept("1.1", "Connection: Keep-Alive\r\n"));
    EXPECT_FALSE(kept("1.1", "Connection: close\r\n"));
    EXPECT_FALSE(kept("1.1", "Connection: X-A, CLOSE\r\n"));
    EXPECT_FALSE(kept("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    EXPECT_FALSE(kept("1.0", ""));
    EXPECT_TRUE(kept("1.0", "Connection: keep-alive\r\n"));
}

TEST(AnswerTest, fieldsOfTheConnectionAndThoseItNamesDoNotTravelOn) {
    const Outcome out =
        read(ok("X-Hop: 1\r\nConnection: x-hop, , keep-alive\r\nKeep-Alive: timeout=5\r\nTE: a\r\nTrailer: "
                "X\r\nUpgrade: h2c\r\n"
                "Proxy-Connection: close\r\nContent-Length: 0\r\nX-End: 1\r\nx-hop: 2\r\nServer:\r\n"));
    ASSERT_EQ(out.status, Status::kEnd) << out.error;
    std::string left;
    for (const auto& [name, value] : out.events.head.headers.fields())
        left.append(name).append("=").append(value) += ';';
    EXPECT_EQ(left, "Content-Length=0;X-End=1;Server=;");
}

TEST(AnswerTest, equalLengthsBecomeOne) {
    const Outcome out = read(ok("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"));
    EXPECT_EQ(out.status, Status::kEnd) << out.error;
    EXPECT_EQ(out.events.head.headers.count("Content-Length"), 1U);
}

TEST(AnswerTest, statusLinesInUse) {
    EXPECT_EQ(read("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").status, Status::kEnd);
    EXPECT_EQ(read("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").status, Status::kEnd);
    EXPECT_EQ(read("HTTP/1.1 599 Caf\xC3\xA9 is\tshut\r\nContent-Length: 0\r\n\r\n").events.status, 599);
}

TEST(AnswerTest, interimAnswersComeBeforeTheFinalOneButNotWithoutEnd) {
    const Outcome out = read(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        "HTTP/1.1 102 Processing\r\n\r\n" +
        ok("Content-Length: 1\r\n", "x"));
    EXPECT_EQ(out.status, Status::kEnd);
    EXPECT_EQ(out.events.interims, (std::vector{103, 102}));
    EXPECT_EQ(out.events.body, "x");
    std::string many;
    for (int i = 0; i <= AnswerReader::kInterimMax; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(read(many).status, Status::kError);
    EXPECT_EQ(read(many.substr(25) + ok("Content-Length: 0\r\n")).status, Status::kEnd);
}

TEST(AnswerTest, aTunnelOpensOnlyWhereItWasAskedFor) {
    const std::string answer =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Accept: x\r\n\r\nraw";
    const Outcome out = read(answer, {.upgrade = "websocket"});
    EXPECT_TRUE(out.events.tunnel);
    EXPECT_EQ(out.events.body, "raw");
    EXPECT_EQ(out.events.head.headers.fields().size(), 1U);
    EXPECT_EQ(out.error_at_end, "");
    EXPECT_FALSE(out.keep_alive);
    EXPECT_EQ(read(answer).status, Status::kError);
    EXPECT_EQ(read(answer, {.upgrade = "h2c"}).status, Status::kError);
    EXPECT_EQ(read("HTTP/1.1 101 x\r\n\r\n", {.upgrade = "websocket"}).status, Status::kError);
}

TEST(AnswerTest, whatTwoReadersCouldUnderstandDifferentlyIsRefused) {
    const std::string nul_value = ok(std::string("X: a\0b\r\n", 8));
    const std::vector<std::string> table = {
        // Where the body ends.
        ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ok("Content-Length: 5\r\nContent-Length: 6\r\n", "12345"),
        ok("Content-Length: 5, 5\r\n", "12345"),
        ok("Content-Length: +5\r\n", "12345"),
        ok("Content-Length: -1\r\n"),
        ok("Content-Length: 0x5\r\n", "12345"),
        ok("Content-Length: 5 \x0B\r\n", "12345"),
        ok("Content-Length:\r\n"),
        ok("Content-Length: 99999999999999999999\r\n"),
        ok("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ok("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ok("Transfer-Encoding: identity\r\n", "x"),
        ok("Transfer-Encoding: xchunked\r\n", "x"),
        ok("Transfer-Encoding:\r\n", "x"),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Chunks.
        ok("Transfer-Encoding: chunked\r\n", "\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "g\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "0x1\r\na\r\n0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "1\na\r\n0\r\n\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "11111111111111111\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "0\r\nbad trailer\r\n\r\n"),
        // Lines.
        "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        ok("X: a\r\n b\r\n"),
        ok("X: a\r\n\tb\r\n"),
        ok("X: a\rb\r\n"),
        ok(" X: a\r\n"),
        ok("X : a\r\n"),
        ok("X\r\n"),
        ok(": a\r\n"),
        ok("X(: a\r\n"),
        ok("X\x80: a\r\n"),
        ok("X: a\x7F\r\n"),
        nul_value,
        // Status lines.
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "SSH-2.0-x\r\n",
        "{}\r\n",
    };
    for (const std::string& bytes : table) {
        const Outcome out = read(bytes);
        EXPECT_EQ(out.status, Status::kError) << bytes;
        EXPECT_NE(out.error, "") << bytes;
    }
}

TEST(AnswerTest, headsAreBounded) {
    EXPECT_EQ(read(ok("X: " + std::string(kHeadMax, 'a') + "\r\n")).status, Status::kError);
    EXPECT_EQ(read("HTTP/1.1 200 " + std::string(kHeadMax, 'a')).status, Status::kError);
    std::string fields;
    for (std::uint32_t i = 0; i < ResponseParser::kFieldsMax; ++i) fields += "a: b\r\n";
    EXPECT_EQ(read(ok(fields)).status, Status::kNeedMore);
    EXPECT_EQ(read(ok(fields + "a: b\r\n")).status, Status::kError);
    std::string names = "Connection: a";
    for (int i = 0; i < 40; ++i) names += ",b";
    EXPECT_EQ(read(ok(names + "\r\n")).status, Status::kError);
}

TEST(AnswerTest, aStoppedReaderSaysNothingMore) {
    struct Stopping final : AnswerSink {
        AnswerReader* reader = nullptr;
        int calls = 0;
        void on_interim(int, const Headers&) override { ++calls; }
        void on_head(ResponseHead) override { stop(); }
        void on_tunnel(ResponseHead) override { stop(); }
        bool on_body(std::string_view) override {
            stop();
            return true;
        }
        void stop() {
            ++calls;
            reader->stop();
        }
    };
    const std::string bytes = ok("Transfer-Encoding: chunked\r\n", "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    Stopping sink;
    AnswerReader reader(kHeadMax);
    sink.reader = &reader;
    reader.reset(false, "");
    std::size_t used = 0;
    EXPECT_EQ(reader.read(bytes, used, sink), Status::kPaused);
    EXPECT_EQ(sink.calls, 1);
}

}  // namespace
}  // namespace tidegate::http
