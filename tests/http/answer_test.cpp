// Answers of a proxy and a cache, on the bench: lengths said, heads made beforehand, interim answers, room, clients that leave.
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <string>
#include <utility>
#include <vector>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

using StreamOutcome = Stream::Outcome;

/// Everything behind the status line and the Date.
std::string answer_to(const std::string& request, const std::function<void(const ExchangePtr&)>& handler,
                      bool* closed = nullptr) {
    Wire wire{.input = request};
    Bench bench(wire);
    bench.application.handler = handler;
    bench.run();
    if (closed != nullptr) *closed = bench.closed();
    const std::size_t date = wire.output.find("Date: ");
    if (date != std::string::npos) wire.output.erase(date, wire.output.find('\n', date) + 1 - date);
    return wire.output;
}

/// Streams `pieces` under `length`; ends as `finish` says.
std::string streamed(const std::string& request, std::optional<std::uint64_t> length,
                     const std::vector<std::string>& pieces, bool finish = true, int status = 200,
                     bool* closed = nullptr) {
    return answer_to(
        request,
        [&](const ExchangePtr& exchange) {
            Response response;
            response.status = status;
            response.content_length = length;
            const auto stream = exchange->start_stream(std::move(response));
            for (const std::string& piece : pieces) {
                if (stream->write(piece) == StreamOutcome::kGone) return;
            }
            if (finish) stream->finish();
        },
        closed);
}

const std::string kHeadRequest = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(StreamLength, IsSaidInsteadOfChunks) {
    bool closed = true;
    EXPECT_EQ(streamed(get("/"), 6, {"abc", "def"}, true, 200, &closed),
              "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
    EXPECT_FALSE(closed);
    EXPECT_EQ(streamed(get("/"), 0, {}), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(streamed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 3, {"abc"}, true, 200, &closed),
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc");
    EXPECT_FALSE(closed);
}

TEST(StreamLength, ABodyThatDoesNotKeepItNeverLooksWhole) {
    bool closed = false;
    EXPECT_EQ(streamed(get("/"), 6, {"abc"}, true, 200, &closed), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    EXPECT_TRUE(closed);
    EXPECT_EQ(streamed(get("/"), 6, {"abc"}, false, 200, &closed), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    EXPECT_TRUE(closed);
    // What would go beyond it is not sent; what was written in the same turn goes with it.
    EXPECT_EQ(streamed(get("/"), 5, {"abc", "def"}, true, 200, &closed),
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_TRUE(closed);
    EXPECT_EQ(streamed(get("/"), 0, {"x"}, true, 200, &closed), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(closed);
}

TEST(StreamLength, AClientThatOnlyStopsSendingStillGetsItAndAnEndlessStreamIsCut) {
    for (const bool known : {true, false}) {
        Wire wire{.input = get("/"), .ends = true};
        Bench bench(wire);
        std::vector<ExchangePtr> held;
        hold_requests(bench, held);
        bench.run();
        ASSERT_EQ(held.size(), 1U);
        EXPECT_TRUE(held[0]->client_gone());
        Response response;
        if (known) response.content_length = 6;
        const auto stream = held[0]->start_stream(std::move(response));
        EXPECT_EQ(stream->write("abc"), known ? StreamOutcome::kAccepted : StreamOutcome::kGone);
        bench.run();
        EXPECT_EQ(stream->write("def"), known ? StreamOutcome::kAccepted : StreamOutcome::kGone);
        stream->finish();
        bench.run();
        EXPECT_EQ(wire.output.ends_with("abcdef"), known);
        EXPECT_TRUE(bench.closed());
    }
}

TEST(AnswerHead, AHeadAnd304CarryTheLengthOfWhatTheyDoNotSend) {
    const auto respond = [](const std::string& request, int status, std::optional<std::uint64_t> length) {
        return answer_to(request, [=](const ExchangePtr& exchange) {
            Response response;
            response.status = status;
            response.content_length = length;
            exchange->respond(std::move(response));
        });
    };
    EXPECT_EQ(respond(kHeadRequest, 200, 1234), "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    EXPECT_EQ(respond(kHeadRequest, 200, {}), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(respond(get("/"), 304, 1234), "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n");
    EXPECT_EQ(respond(kHeadRequest, 304, 1234), "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n");
    EXPECT_EQ(respond(get("/"), 304, {}), "HTTP/1.1 304 Not Modified\r\n\r\n");
    // RFC 9110, 8.6: never in a 204.
    EXPECT_EQ(respond(get("/"), 204, 1234), "HTTP/1.1 204 No Content\r\n\r\n");
    // What is sent has the length it has.
    EXPECT_EQ(respond(get("/"), 200, 1234), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(streamed(kHeadRequest, 1234, {"dropped"}), "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    EXPECT_EQ(streamed(kHeadRequest, {}, {"dropped"}), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT_EQ(streamed(get("/"), 1234, {}, true, 304), "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n");
}

TEST(AnswerHead, LentBytesAreHeldUntilTheyAreWrittenAndLetGoOnce) {
    struct Lender {
        const std::string head = "ETag: \"x\"\r\n";
        const std::string body = "lent";
        mutable int holds = 0;
    } lender;
    static constexpr Keeper::Ways kWays{
        .hold = [](const void* thing) noexcept { ++static_cast<const Lender*>(thing)->holds; },
        .drop = [](const void* thing) noexcept { --static_cast<const Lender*>(thing)->holds; }};
    Wire wire{.input = get("/")};
    Bench bench(wire);
    bench.application.handler = [&](const ExchangePtr& exchange) {
        Response response;
        response.lent_head = lender.head;
        response.lent_body = lender.body;
        response.has_date = true;
        response.keeper = Keeper(&lender, kWays);
        const Response copy = response;
        EXPECT_EQ(lender.holds, 2);
        exchange->respond(std::move(response));
    };
    bench.run();
    EXPECT_EQ(wire.output, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 4\r\n\r\nlent");
    EXPECT_EQ(lender.holds, 0);
}

TEST(AnswerHead, OneMadeBeforehandIsSentAsItIsAndTheDateIsTheOriginsWhereItHasOne) {
    const auto shared = std::make_shared<const std::string>("Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nETag: \"x\"\r\n");
    Wire wire{.input = get("/")};
    Bench bench(wire);
    bench.application.handler = [&](const ExchangePtr& exchange) {
        Response response;
        response.shared_head = shared;
        response.shared_body = std::make_shared<const std::string>("body");
        response.has_date = true;
        response.headers.add("Age", "3");
        response.headers.add("Content-Length", "99");
        exchange->respond(std::move(response));
    };
    bench.run();
    EXPECT_EQ(wire.output, "HTTP/1.1 200 OK\r\n" + *shared + "Age: 3\r\nContent-Length: 4\r\n\r\nbody");
    for (const bool own : {true, false}) {
        Wire plain{.input = get("/")};
        Bench other(plain);
        other.application.handler = [own](const ExchangePtr& exchange) {
            Response response;
            response.has_date = own;
            response.headers.add("Date", "Tue, 15 Nov 1994 08:12:31 GMT");
            exchange->respond(std::move(response));
        };
        other.run();
        EXPECT_EQ(plain.output.contains("1994"), own);
        EXPECT_EQ(plain.output.find("Date:"), plain.output.rfind("Date:"));
    }
}

Headers links() {
    Headers headers;
    headers.add("Link", "</a.css>; rel=preload");
    headers.add("Connection", "close");
    headers.add("X-Bad", "a\r\nb");
    return headers;
}
const std::string kHints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Bad: a  b\r\n\r\n";

TEST(Interim, AnswersGoBeforeTheirAnswerAndInItsTurn) {
    Wire wire{.input = get("/a") + get("/b")};
    Bench bench(wire);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 2U);
    held[1]->send_interim(103, links());
    EXPECT_EQ(wire.output, "") << "the first request is not answered yet";
    held[0]->send_interim(102, {});
    EXPECT_EQ(wire.output, "HTTP/1.1 102 Processing\r\n\r\n");
    held[0]->respond(with_body("first"));
    EXPECT_TRUE(wire.output.ends_with("first" + kHints));
    held[1]->respond(with_body("second"));
    const std::string before = wire.output;
    held[1]->send_interim(103, links());
    EXPECT_EQ(wire.output, before) << "after the answer";
}

TEST(Interim, OneThatStillWaitsGoesBeforeAnAnswerThatIsReady) {
    Wire wire{.input = get("/a") + get("/b")};
    Bench bench(wire);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    held[1]->send_interim(103, links());
    held[1]->respond(with_body("second"));
    held[0]->respond(with_body("first"));
    EXPECT_TRUE(wire.output.contains("first" + kHints + "HTTP/1.1 200 OK"));
}

TEST(Interim, OldClientsGetNoneAndTheyDoNotPileUp) {
    Wire old{.input = "GET / HTTP/1.0\r\n\r\n"};
    Bench one(old);
    std::vector<ExchangePtr> held;
    hold_requests(one, held);
    one.run();
    held.at(0)->send_interim(103, links());
    EXPECT_EQ(old.output, "");

    Wire wire{.input = get("/"), .full = true};
    Bench bench(wire);
    hold_requests(bench, held);
    bench.run();
    for (int i = 0; i < 100'000; ++i) held.at(1)->send_interim(103, links());
    EXPECT_LT(bench.connection().output_bytes(), 2 * Connection::kOutputHighWater);
}

TEST(Room, IsToldOnceWhenHalfOfTheBufferIsFreeAndNeverFromInside) {
    Limits limits;
    limits.stream_buffer_bytes_max = 100'000;
    Wire wire{.input = get("/")};
    Bench bench(wire, limits);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    const auto stream = held.at(0)->start_stream(Response{});
    wire.full = true;
    const std::string piece(10'000, 'x');
    int written = 0;
    while (stream->write(piece) == StreamOutcome::kAccepted) ++written;
    EXPECT_EQ(written, 10);
    EXPECT_EQ(stream->buffered(), 100'000U);
    int told = 0;
    stream->on_room([&] { ++told; });
    bench.run();
    EXPECT_EQ(told, 0);
    wire.full = false;
    wire.write_step = 30'000;
    std::vector<std::uint64_t> seen;
    stream->on_room([&] {
        ++told;
        seen.push_back(stream->buffered());
    });
    for (int i = 0; i < 20 && told == 0; ++i) {
        wire.full = false;
        bench.run_once(EPOLLOUT);
        bench.run_posted();
    }
    ASSERT_EQ(told, 1);
    EXPECT_LE(seen.at(0), 50'000U);
    bench.run();
    EXPECT_EQ(told, 1);
    // There is room already: soon, not at once.
    stream->on_room([&] { ++told; });
    EXPECT_EQ(told, 1);
    bench.run();
    EXPECT_EQ(told, 2);
    stream->on_room([&] { ++told; });
    stream->finish();
    bench.run();
    EXPECT_EQ(told, 2) << "a stream that has ended needs no room";
}

TEST(Room, IsOnlyToldWhenThePieceThatWasRefusedFits) {
    Limits limits;
    limits.stream_buffer_bytes_max = 100'000;
    Wire wire{.input = get("/")};
    Bench bench(wire, limits);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    const auto stream = held.at(0)->start_stream(Response{});
    wire.full = true;
    EXPECT_EQ(stream->write(std::string(40'000, 'x')), StreamOutcome::kAccepted);
    std::string large(90'000, 'y');
    const std::string& same = large;
    EXPECT_EQ(stream->write_owned(std::move(large)), StreamOutcome::kFull);
    EXPECT_EQ(same.size(), 90'000U) << "untouched";
    int told = 0;
    stream->on_room([&] { ++told; });
    for (int i = 0; i < 3; ++i) bench.run_posted();
    EXPECT_EQ(told, 0);
    wire.full = false;
    bench.run();
    EXPECT_EQ(told, 1);
    EXPECT_EQ(stream->write_owned(std::string(same)), StreamOutcome::kAccepted);
    stream->finish();
    bench.run();
    EXPECT_TRUE(wire.output.ends_with("y\r\n0\r\n\r\n"));
}

TEST(Room, AWriterThatWaitsHearsOfAClientThatLeaves) {
    Limits limits;
    limits.stream_buffer_bytes_max = 1000;
    Wire wire{.input = get("/"), .full = true};
    Bench bench(wire, limits);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    const auto stream = held.at(0)->start_stream(Response{});
    EXPECT_EQ(stream->write(std::string(2000, 'x')), StreamOutcome::kAccepted);
    std::vector<StreamOutcome> heard;
    stream->on_room([&] { heard.push_back(stream->write("more")); });
    bench.cut();
    EXPECT_EQ(heard, std::vector{StreamOutcome::kGone});
}

TEST(Room, AWriterThatAlwaysHasMoreSendsItAllInOrder) {
    Limits limits;
    limits.stream_buffer_bytes_max = 10'000;
    for (const std::size_t step : {1'000U, 7'777U, 1'000'000U}) {
        Wire wire{.input = get("/"), .write_step = step};
        Bench bench(wire, limits);
        bench.late_turns = true;
        std::shared_ptr<Stream> stream;
        std::uint64_t next = 0;
        std::function<void()> fill = [&] {
            while (next < 50'000) {
                const StreamOutcome outcome = stream->write(std::to_string(next) + ",");
                if (outcome == StreamOutcome::kFull) return stream->on_room([&] { fill(); });
                ASSERT_EQ(outcome, StreamOutcome::kAccepted);
                ++next;
            }
            stream->finish();
        };
        std::uint64_t length = 0;
        for (std::uint64_t i = 0; i < 50'000; ++i) length += std::to_string(i).size() + 1;
        bench.application.handler = [&](const ExchangePtr& exchange) {
            Response response;
            response.content_length = length;
            stream = exchange->start_stream(std::move(response));
            fill();
        };
        bench.run();
        EXPECT_EQ(next, 50'000U);
        EXPECT_TRUE(wire.output.ends_with("49998,49999,")) << step;
        EXPECT_EQ(wire.output.size() - wire.output.find("\r\n\r\n") - 4, length);
    }
}

TEST(Turn, HeadPiecesAndEndOfAnAnswerGivenFromOutsideLeaveInOneWrite) {
    Wire wire{.input = get("/")};
    Bench bench(wire);
    bench.late_turns = true;
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    const auto stream = held.at(0)->start_stream(Response{});
    EXPECT_EQ(stream->write("abc"), StreamOutcome::kAccepted);
    EXPECT_EQ(stream->write("def"), StreamOutcome::kAccepted);
    stream->finish();
    EXPECT_EQ(wire.output, "");
    bench.take_turn();
    EXPECT_TRUE(wire.output.ends_with("6\r\nabcdef\r\n0\r\n\r\n"));
    EXPECT_EQ(wire.writes, 1);
}

TEST(Gone, IsToldOnceWhenTheClientLeavesBeforeItsAnswerIsComplete) {
    for (const bool half : {true, false}) {
        Wire wire{.input = get("/a") + get("/b")};
        Bench bench(wire);
        std::vector<ExchangePtr> held;
        hold_requests(bench, held);
        bench.run();
        std::vector<bool> reachable;
        for (const auto& exchange : held) {
            exchange->on_gone([&reachable, raw = exchange.get()] { reachable.push_back(!raw->unreachable()); });
        }
        held[0]->respond(with_body("first"));
        EXPECT_TRUE(reachable.empty());
        if (half) {
            wire.ends = true;
            bench.run();
            EXPECT_EQ(reachable, std::vector{true}) << "the answer could still arrive";
            held[1]->respond(with_body("second"));
            bench.run();
            EXPECT_TRUE(wire.output.ends_with("second"));
        }
        bench.cut();
        EXPECT_EQ(reachable.size(), 1U);
        int late = 0;
        held[1]->on_gone([&] { ++late; });
        EXPECT_EQ(late, 0);
        bench.run_posted();
        EXPECT_EQ(late, 1) << "asked for when it had happened";
    }
}

TEST(Gone, IsToldOfAStreamThatIsCutAndOfAFollowerThatIsNeverServed) {
    Wire wire{.input = get("/a") + get("/b")};
    Bench bench(wire);
    std::vector<ExchangePtr> held;
    hold_requests(bench, held);
    bench.run();
    std::string gone;
    held[0]->on_gone([&] { gone += 'a'; });
    held[1]->on_gone([&] { gone += 'b'; });
    Response last;
    last.close = true;
    held[0]->respond(std::move(last));
    bench.run();
    EXPECT_EQ(gone, "b");

    Wire other{.input = get("/a")};
    Bench streaming(other);
    held.clear();
    hold_requests(streaming, held);
    streaming.run();
    held[0]->on_gone([&] { gone += 's'; });
    const auto stream = held[0]->start_stream(Response{});
    streaming.cut();
    EXPECT_EQ(gone, "bs");
    EXPECT_EQ(stream->write("x"), StreamOutcome::kGone);
}

}  // namespace
}  // namespace tidegate::http
