// The connection alone, over a transport that reads and writes as little as it likes, blocks where it likes, and breaks at
// any byte: the fault moves on by one until everything succeeds.
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <algorithm>
#include <string>
#include <vector>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

/// A conversation with everything in it.
const std::string kConversation =
    get("/one") + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world" +
    "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n" +
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
    get("/last", "Connection: close\r\n");

std::string answer_to(Wire& wire) {
    Bench bench(wire);
    bench.run();
    return wire.output;
}

TEST(Connection, TheSplittingOfReadsAndWritesMakesNoDifference) {
    Wire whole{.input = kConversation};
    const std::string expected = answer_to(whole);
    EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 4 * 4 + 5 + 0) << expected;
    for (const std::size_t read_step : {1U, 2U, 3U, 7U, 64U, 1000U}) {
        for (const std::size_t write_step : {1U, 2U, 5U, 100U, 10'000U}) {
            for (const bool block : {false, true}) {
                Wire wire{
                    .input = kConversation, .read_step = read_step, .write_step = write_step, .block_between = block};
                EXPECT_EQ(answer_to(wire), expected) << read_step << ' ' << write_step << ' ' << block;
            }
        }
    }
}

TEST(Connection, AResetAtAnyByteReadEndsTheConnectionAndNothingElse) {
    Wire whole{.input = kConversation};
    const std::string expected = answer_to(whole);
    for (std::size_t at = 0; at <= kConversation.size(); ++at) {
        Wire wire{.input = kConversation, .read_step = 5, .fail_after_read = at};
        Bench bench(wire);
        bench.run();
        EXPECT_TRUE(bench.closed()) << at;
        EXPECT_TRUE(expected.starts_with(wire.output)) << at;
    }
}

TEST(Connection, AResetAtAnyByteWrittenReportsTheAnswerAsNotSent) {
    Wire whole{.input = kConversation};
    const std::string expected = answer_to(whole);
    for (std::size_t at = 0; at <= expected.size(); ++at) {
        Wire wire{.input = kConversation, .write_step = 3, .fail_after_write = at};
        int reported = 0;
        int complete = 0;
        {
            Bench bench(wire);
            bench.application.handler = [&](const ExchangePtr& exchange) {
                exchange->on_sent([&](const Exchange::Sent& sent) {
                    ++reported;
                    complete += sent.complete ? 1 : 0;
                });
                Response response;
                response.body =
                    exchange->head().has_body() ? exchange->body() : std::string_view(exchange->head().path).substr(1);
                exchange->respond(std::move(response));
            };
            bench.run();
            EXPECT_TRUE(bench.closed()) << at;
            EXPECT_EQ(reported, bench.application.requests.load()) << at;
        }
        EXPECT_EQ(wire.output, expected.substr(0, at));
        EXPECT_EQ(complete == 5, at == expected.size()) << at;
    }
}

TEST(Connection, AnEndAtAnyByteClosesAfterTheAnswersThatAreDue) {
    Wire whole{.input = kConversation};
    const std::string expected = answer_to(whole);
    for (std::size_t at = 0; at < kConversation.size(); ++at) {
        Wire wire{.input = kConversation.substr(0, at), .read_step = 3, .ends = true};
        Bench bench(wire);
        bench.run();
        EXPECT_TRUE(bench.closed()) << at;
        EXPECT_TRUE(expected.starts_with(wire.output)) << at;
    }
}

TEST(Connection, WhileAnswersCannotLeaveNoMoreRequestsAreRead) {
    std::string many;
    for (int i = 0; i < 5000; ++i) many += get("/" + std::string(500, 'x'));
    Wire wire{.input = many, .write_step = 1, .fail_after_write = SIZE_MAX};
    Bench bench(wire);
    bench.application.handler = [](const ExchangePtr& exchange) {
        Response response;
        response.body = std::string(100'000, 'y');
        exchange->respond(std::move(response));
    };
    wire.block_between = true;
    wire.blocked = true;
    // One turn: the first write takes one byte, the second would block.
    bench.run_once();
    EXPECT_LE(bench.application.requests.load(), 5);
    EXPECT_EQ(bench.interest() & EPOLLIN, 0U);
    EXPECT_NE(bench.interest() & EPOLLOUT, 0U);
}

TEST(Connection, LargeAnswersThatWaitForAnEarlierOneAreFew) {
    std::string many = get("/slow");
    for (int i = 0; i < 31; ++i) many += get("/large");
    Wire wire{.input = many};
    ExchangePtr slow;
    Bench bench(wire);
    bench.application.handler = [&](const ExchangePtr& exchange) {
        if (exchange->head().path == "/slow") {
            slow = exchange;
            return;
        }
        Response response;
        response.body = std::string(1 << 20, 'y');
        exchange->respond(std::move(response));
    };
    bench.run();
    EXPECT_LE(bench.application.requests.load(), 3);
    slow->respond(Response{});
    bench.run();
    EXPECT_EQ(bench.application.requests.load(), 32);
    EXPECT_GT(wire.output.size(), 31U << 20U);
}

TEST(Connection, NothingIsAllocatedForABodyThatIsOnlyAnnounced) {
    Wire wire{.input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nabc"};
    Bench bench(wire);
    ExchangePtr seen;
    bench.application.head_handler = [&](const ExchangePtr& exchange) {
        seen = exchange;
        return BodyPlan{.body_bytes_max = 1ULL << 40};
    };
    bench.run();
    ASSERT_TRUE(seen);
    EXPECT_LT(static_cast<ServerExchange&>(*seen).body_buffer().capacity(), 4096U);
}

TEST(Connection, TimeLimitsFollowTheClock) {
    Limits limits;
    {
        Wire wire{.input = "GET / HT"};
        Bench bench(wire, limits);
        bench.run();
        bench.advance(limits.header_read_max - std::chrono::milliseconds(1));
        EXPECT_EQ(wire.output, "");
        bench.advance(std::chrono::milliseconds(1));
        EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 408 "));
        EXPECT_TRUE(wire.shut);
        EXPECT_FALSE(bench.closed());
        bench.advance(std::chrono::seconds(5));
        EXPECT_TRUE(bench.closed());
    }
    {
        Wire wire{.input = get("/a")};
        Bench bench(wire, limits);
        bench.run();
        bench.advance(limits.idle_max - std::chrono::milliseconds(1));
        EXPECT_FALSE(bench.closed());
        bench.advance(std::chrono::milliseconds(1));
        EXPECT_TRUE(bench.closed());
    }
    {
        // 1024 bytes a second after 5 s of grace: 2048 bytes last 7 s.
        Wire wire{.input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n" + std::string(2048, 'x')};
        Bench bench(wire, limits);
        bench.run();
        bench.advance(std::chrono::milliseconds(6999));
        EXPECT_EQ(wire.output, "");
        bench.advance(std::chrono::milliseconds(1));
        EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 408 "));
    }
}

TEST(Connection, AFollowerWhoseBodyIsStillComingIsNotServedAfterTheLastAnswer) {
    Wire wire{.input = get("/first") + "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"};
    std::vector<ExchangePtr> held;
    Bench bench(wire);
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 1U);
    wire.full = true;
    Response last;
    last.close = true;
    held[0]->respond(std::move(last));
    wire.input += "llo";
    bench.run();
    EXPECT_EQ(held.size(), 1U);
    wire.full = false;
    bench.run();
    EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 200 "));
    EXPECT_TRUE(wire.shut);
}

TEST(Connection, TheStallTimeStartsWhenTheClientStopsTakingNotWhenItLastTook) {
    const Limits limits;
    Wire wire{.input = get("/slow")};
    std::vector<ExchangePtr> held;
    Bench bench(wire, limits);
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 1U);
    bench.advance(limits.write_stall_max * 2);
    wire.full = true;
    held[0]->respond(with_body("late"));
    bench.advance(limits.write_stall_max - std::chrono::milliseconds(1));
    bench.run_once(EPOLLOUT);  // Takes nothing: no new time for that.
    EXPECT_FALSE(bench.closed());
    bench.advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(bench.closed());
}

TEST(Connection, TheTimeInWhichWeDoNotReadIsNotTheClients) {
    const Limits limits;
    Wire wire{.input = get("/big") + "GET /ne"};
    std::vector<ExchangePtr> held;
    Bench bench(wire, limits);
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 1U);
    wire.full = true;
    held[0]->respond(with_body(std::string(Connection::kOutputHighWater + 1, 'x')));
    wire.input += "xt HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(bench.interest() & EPOLLIN, 0U);
    bench.advance(limits.header_read_max + std::chrono::seconds(1));
    wire.full = false;
    bench.run_once(EPOLLOUT);
    bench.advance(Duration::zero());
    bench.run();
    ASSERT_EQ(held.size(), 2U);
    EXPECT_EQ(held[1]->head().path, "/next");
    EXPECT_FALSE(wire.output.contains("HTTP/1.1 408"));
}

TEST(Connection, AStreamGivenOnTheHeadOfABodyThatNeverEndsClosesTheConnectionWhenItEnds) {
    Wire wire{.input = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" +
                       std::string(0x20000, 'x')};
    std::shared_ptr<Stream> stream;
    Bench bench(wire);
    bench.application.head_handler = [&](const ExchangePtr& exchange) {
        stream = exchange->start_stream(Response{});
        return BodyPlan{.body_bytes_max = 10};
    };
    bench.run();
    ASSERT_TRUE(stream);
    EXPECT_EQ(stream->write("event"), Stream::Outcome::kAccepted);
    stream->finish();
    EXPECT_TRUE(wire.output.ends_with("5\r\nevent\r\n0\r\n\r\n"));
    EXPECT_TRUE(wire.shut);
    bench.advance(std::chrono::seconds(5));
    EXPECT_TRUE(bench.closed());
}

TEST(Connection, AStreamWhoseBytesWereDroppedNeverLooksWhole) {
    for (const bool before : {true, false}) {  // The client stops sending before or after the stream is written.
        Wire wire{.input = get("/slow") + get("/stream"), .ends = before};
        std::vector<ExchangePtr> held;
        Bench bench(wire);
        hold_requests(bench, held);
        bench.run();
        ASSERT_EQ(held.size(), 2U);
        const auto stream = held[1]->start_stream(Response{});
        EXPECT_EQ(stream->write("data"), before ? Stream::Outcome::kGone : Stream::Outcome::kAccepted);
        stream->finish();
        wire.ends = true;
        bench.run();
        held[0]->respond(with_body("slow"));
        EXPECT_TRUE(wire.output.contains("slow"));
        EXPECT_FALSE(wire.output.contains("0\r\n\r\n")) << before;
        EXPECT_TRUE(bench.closed());
    }
}

TEST(Connection, AnAnswerGivenWhileAnotherIsReportedLeavesAtOnce) {
    Wire wire{.input = get("/a") + get("/b")};
    std::vector<ExchangePtr> held;
    Bench bench(wire);
    hold_requests(bench, held);
    bench.run();
    ASSERT_EQ(held.size(), 2U);
    held[0]->on_sent([&](const Exchange::Sent&) { held[1]->respond(with_body("second")); });
    held[0]->respond(with_body("first"));
    EXPECT_TRUE(wire.output.ends_with("second"));
}

TEST(Connection, ARequestThatHasArrivedWhenTheDrainBeginsIsAnswered) {
    Wire wire{.input = get("/a")};
    Bench bench(wire);
    bench.drain();
    EXPECT_TRUE(wire.output.contains("Connection: close\r\n"));
    EXPECT_TRUE(wire.output.ends_with("a"));
    Wire silent;
    Bench idle(silent);
    idle.drain();
    EXPECT_TRUE(idle.closed());
}

// Found by fuzzing: the connection was gone in the middle of the step that refused the body, which went on.
TEST(Connection, AStreamGivenUpWhileTheNextBodyIsRefusedEndsTheStepToo) {
    Wire wire{.input = get("/stream") + "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" +
                       std::string(0x20, 'x') + "\r\n0\r\n\r\n"};
    std::shared_ptr<Stream> stream;
    Bench bench(wire);
    bench.application.head_handler = [&](const ExchangePtr& exchange) {
        if (exchange->head().has_body()) stream.reset();
        return BodyPlan{.body_bytes_max = 8};
    };
    bench.application.handler = [&](const ExchangePtr& exchange) { stream = exchange->start_stream(Response{}); };
    bench.run();
    EXPECT_TRUE(bench.closed());
    EXPECT_FALSE(wire.output.contains("0\r\n\r\n"));
    EXPECT_FALSE(wire.output.contains("413"));
}

}  // namespace
}  // namespace tidegate::http
