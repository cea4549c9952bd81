// Bodies that are handed on as they come: their bytes, their pauses, their limits, and what happens when somebody leaves.
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <algorithm>
#include <string>
#include <vector>

#include "http/connection_bench.h"

namespace tidegate::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Writes down what it hears.
class Recorder final : public BodyReceiver {
  public:
    bool on_body(std::string_view bytes) override {
        EXPECT_EQ(ended + failures.size(), 0U) << "bytes after the end";
        body.append(bytes);
        if (each) each(bytes);
        return !pause;
    }
    void on_body_end() override {
        ++ended;
        if (at_end) at_end();
    }
    void on_body_failed(int status, std::string_view detail) override {
        EXPECT_FALSE(detail.empty());
        failures.push_back(status);
        if (at_failure) at_failure();
    }
    std::string body;
    int ended = 0;
    std::vector<int> failures;
    bool pause = false;
    std::function<void(std::string_view)> each;
    std::function<void()> at_end;
    std::function<void()> at_failure;
};

/// Every request with a body is given to a Recorder; answered with what came, when it has come.
struct Streamed {
    explicit Streamed(Wire& wire, BodyPlan plan = {.body_bytes_max = 1 << 20}, const Limits& limits = {})
        : bench(wire, limits) {
        bench.application.head_handler = [this, plan](const ExchangePtr& exchange) {
            BodyPlan mine = plan;
            if (!exchange->head().has_body()) return mine;
            receivers.push_back(std::make_shared<Recorder>());
            mine.receiver = receivers.back();
            if (prepare) prepare(exchange, *receivers.back());
            return mine;
        };
        bench.application.handler = [this](const ExchangePtr& exchange) {
            exchanges.push_back(exchange);
            if (on_request) return on_request(exchange);
            if (!exchange->head().has_body()) return exchange->respond(with_body(exchange->head().path));
            EXPECT_EQ(receivers.back()->body + std::string(exchange->body()), "") << "on_request() comes first";
            Recorder* const recorder = receivers.back().get();
            recorder->at_end = [exchange, recorder] { exchange->respond(with_body("[" + recorder->body + "]")); };
        };
    }
    ~Streamed() {
        for (const auto& receiver : receivers) {
            receiver->at_end = nullptr;
            receiver->each = nullptr;
            receiver->at_failure = nullptr;
        }
    }
    Streamed(const Streamed&) = delete;
    Streamed& operator=(const Streamed&) = delete;

    Recorder& recorder() { return *receivers.back(); }

    std::vector<std::shared_ptr<Recorder>> receivers;
    std::vector<ExchangePtr> exchanges;
    std::function<void(const ExchangePtr&, Recorder&)> prepare;
    std::function<void(const ExchangePtr&)> on_request;
    Bench bench;
};

std::string post_length(std::size_t bytes, std::string_view more = {}) {
    return "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n" + std::string(more) +
           "\r\n";
}
std::string post_chunked(std::string_view more = {}) {
    return "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + std::string(more) + "\r\n";
}
const std::string kTwoBodies =
    post_length(11) + "hello world" + post_chunked() + "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n" + get("/next");

TEST(StreamedBody, ComesWholeWhateverTheSplittingOfReadsAndThePauses) {
    for (const std::size_t step : {1U, 2U, 3U, 7U, 20U, 1000U}) {
        for (const bool pauses : {false, true}) {
            Wire wire{.input = kTwoBodies, .read_step = step};
            Streamed host(wire);
            host.prepare = [pauses](const ExchangePtr&, Recorder& recorder) { recorder.pause = pauses; };
            for (int i = 0; i < 40; ++i) {
                host.bench.run();
                if (!host.exchanges.empty()) host.exchanges.back()->resume_body();
            }
            ASSERT_EQ(host.receivers.size(), 2U) << step;
            EXPECT_EQ(host.receivers[0]->body, "hello world");
            EXPECT_EQ(host.receivers[1]->body, "abcde");
            for (const auto& receiver : host.receivers) {
                EXPECT_EQ(receiver->ended, 1);
                EXPECT_TRUE(receiver->failures.empty());
            }
            EXPECT_TRUE(wire.output.contains("[hello world]"));
            EXPECT_TRUE(wire.output.contains("[abcde]"));
            EXPECT_TRUE(wire.output.ends_with("/next"));
        }
    }
}

TEST(StreamedBody, WhilePausedNothingIsReadAndWhatIsBehindWaits) {
    Wire wire{.input = post_length(200'000) + std::string(200'000, 'x') + get("/next")};
    Streamed host(wire);
    host.prepare = [](const ExchangePtr&, Recorder& recorder) { recorder.pause = true; };
    host.bench.run();
    EXPECT_LE(wire.read, Connection::kReadBytes);
    EXPECT_EQ(host.bench.interest() & EPOLLIN, 0U);
    const std::size_t before = host.recorder().body.size();
    EXPECT_LT(before, Connection::kReadBytes);
    host.recorder().pause = false;
    host.exchanges.front()->resume_body();
    host.bench.run();
    EXPECT_EQ(host.recorder().body.size(), 200'000U);
    EXPECT_TRUE(wire.output.ends_with("/next"));
}

TEST(StreamedBody, AResumeFromInsideCounts) {
    Wire wire{.input = post_length(6) + "abc", .read_step = 100};
    Streamed host(wire);
    host.prepare = [](const ExchangePtr& exchange, Recorder& recorder) {
        recorder.pause = true;
        recorder.each = [raw = exchange.get()](std::string_view) { raw->resume_body(); };
    };
    host.bench.run();
    wire.input += "def";
    host.bench.run();
    EXPECT_EQ(host.recorder().body, "abcdef");
    EXPECT_EQ(host.recorder().ended, 1);
}

TEST(StreamedBody, ContinueIsSaidWhenTheBodyIsFirstWanted) {
    const std::string head = post_length(3, "Expect: 100-continue\r\n");
    {
        Wire wire{.input = head};
        Streamed host(wire);
        host.bench.run();
        EXPECT_EQ(wire.output, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    Wire wire{.input = head};
    Streamed host(wire, {.body_bytes_max = 10, .receiver = nullptr, .paused = true});
    host.bench.run();
    EXPECT_EQ(wire.output, "");
    ASSERT_EQ(host.exchanges.size(), 1U);
    host.exchanges.front()->resume_body();
    EXPECT_EQ(wire.output, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.input += "abc";
    host.bench.run();
    EXPECT_TRUE(wire.output.ends_with("[abc]"));
    EXPECT_EQ(wire.output.find("100 Continue"), wire.output.rfind("100 Continue"));
}

TEST(StreamedBody, AnAnswerBeforeItIsWantedGivesItUp) {
    for (const bool stream : {false, true}) {
        for (const char* expect : {"", "Expect: 100-continue\r\n"}) {
            Wire wire{.input = post_length(3, expect)};
            Streamed host(wire, {.body_bytes_max = 10, .receiver = nullptr, .paused = true});
            host.on_request = [stream](const ExchangePtr& exchange) {
                if (!exchange->head().has_body()) return exchange->respond(with_body(exchange->head().path));
                if (!stream) return exchange->respond(with_body("no"));
                const auto body = exchange->start_stream(Response{});
                EXPECT_EQ(body->write("no"), Stream::Outcome::kAccepted);
                body->finish();
            };
            host.bench.run();
            EXPECT_FALSE(wire.output.contains("100 Continue"));
            // Whether three bytes of body follow is not known when 100 Continue was asked for.
            EXPECT_EQ(wire.output.contains("Connection: close"), *expect != '\0');
            wire.input += *expect == '\0' ? "abc" + get("/next") : "abc";
            host.exchanges.front()->resume_body();
            host.bench.run();
            EXPECT_EQ(wire.output.ends_with("/next"), *expect == '\0');
            EXPECT_EQ(host.recorder().body, "");
            EXPECT_EQ(host.recorder().ended, 0);
            EXPECT_TRUE(host.recorder().failures.empty());
        }
    }
}

TEST(StreamedBody, TheTimeOfAPauseIsNotTheClients) {
    Limits limits;  // 1024 bytes a second after 5 s of grace: 2048 bytes last 7 s.
    Wire wire{.input = post_length(9999) + std::string(2048, 'x')};
    Streamed host(wire, {.body_bytes_max = 10'000}, limits);
    host.prepare = [](const ExchangePtr&, Recorder& recorder) { recorder.pause = true; };
    host.bench.run();
    host.bench.advance(std::chrono::hours(1));
    EXPECT_TRUE(host.recorder().failures.empty());
    host.recorder().pause = false;
    host.exchanges.front()->resume_body();
    host.bench.run();
    host.bench.advance(milliseconds(6999));
    EXPECT_TRUE(host.recorder().failures.empty());
    host.bench.advance(milliseconds(1));
    EXPECT_EQ(host.recorder().failures, std::vector{408});
    EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 408 "));
    host.exchanges.front()->respond(with_body("late"));  // Dropped: the server has answered.
    EXPECT_FALSE(wire.output.contains("late"));
}

struct Broken {
    const char* name;
    std::string input;
    int status;
};
std::vector<Broken> broken_bodies() {
    return {
        {"a chunked body that grows too long", post_chunked() + "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", 413},
        {"a broken chunk", post_chunked() + "3\r\nabcX", 400},
        {"a broken size", post_chunked() + "3\r\nabc\r\nzz\r\n", 400},
        {"trailers without end", post_chunked() + "0\r\nX: " + std::string(16'384, 'a'), 431},
    };
}

TEST(StreamedBody, ABrokenOneIsToldOnceAndTheServerAnswersWhereTheApplicationDoesNot) {
    for (const Broken& broken : broken_bodies()) {
        for (const bool answers : {false, true}) {
            Wire wire{.input = broken.input + get("/smuggled"), .read_step = 5};
            Streamed host(wire, {.body_bytes_max = 10});
            host.prepare = [answers](const ExchangePtr& exchange, Recorder& recorder) {
                if (!answers) return;
                recorder.at_failure = [raw = exchange.get()] {
                    Response mine = with_body("mine");
                    mine.status = 422;
                    raw->respond(std::move(mine));
                };
            };
            host.bench.run();
            EXPECT_EQ(host.recorder().failures, std::vector{broken.status}) << broken.name;
            EXPECT_EQ(host.recorder().ended, 0);
            const int expected = answers ? 422 : broken.status;
            EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 " + std::to_string(expected))) << wire.output;
            if (broken.status != 413) {
                EXPECT_FALSE(wire.output.contains("/smuggled")) << broken.name;
            }
            EXPECT_EQ(host.bench.application.protocol_errors.load(), answers ? 0 : 1);
        }
    }
}

TEST(StreamedBody, OneAnnouncedTooLongIsRefusedBeforeAnybodyHearsOfIt) {
    Wire wire{.input = post_length(11) + "hello world" + get("/next")};
    Streamed host(wire, {.body_bytes_max = 10});
    host.bench.run();
    EXPECT_TRUE(wire.output.starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(wire.output.ends_with("/next"));
    EXPECT_EQ(host.recorder().body, "");
    EXPECT_TRUE(host.recorder().failures.empty());
    EXPECT_EQ(host.bench.application.requests.load(), 1);
}

TEST(StreamedBody, AClientThatLeavesAnywhereIsToldExactlyOnce) {
    for (const bool reset : {false, true}) {
        for (std::size_t at = 0; at <= kTwoBodies.size(); ++at) {
            Wire wire{.input = kTwoBodies.substr(0, at), .read_step = 3};
            if (reset) wire.fail_after_read = at;
            wire.ends = !reset;
            Streamed host(wire);
            host.bench.run();
            EXPECT_TRUE(host.bench.closed());
            for (const auto& receiver : host.receivers) {
                EXPECT_EQ(receiver->ended + static_cast<int>(receiver->failures.size()), 1) << at;
                if (!receiver->failures.empty()) {
                    EXPECT_EQ(receiver->failures.front(), 499);
                }
            }
        }
    }
}

/// Answers with a stream that repeats what comes.
void echo(Streamed& host, std::shared_ptr<Stream>& stream) {
    host.on_request = [&host, &stream](const ExchangePtr& exchange) {
        if (!exchange->head().has_body()) return exchange->respond(with_body(exchange->head().path));
        stream = exchange->start_stream(Response{});
        host.recorder().each = [&stream](std::string_view bytes) {
            EXPECT_EQ(stream->write(bytes), Stream::Outcome::kAccepted);
        };
        host.recorder().at_end = [&stream] { stream->finish(); };
    };
}

TEST(StreamedBody, AnAnswerMayStreamWhileTheBodyStillComes) {
    for (const char* more : {"", "Expect: 100-continue\r\n", "Connection: close\r\n"}) {
        const bool closes = std::string_view(more).starts_with("Connection");
        Wire wire{.input = post_length(6, more)};
        std::shared_ptr<Stream> stream;
        Streamed host(wire);
        echo(host, stream);
        host.bench.run();
        EXPECT_EQ(wire.output.contains("100 Continue"), std::string_view(more).starts_with("Expect"));
        EXPECT_TRUE(wire.output.contains("HTTP/1.1 200 OK"));
        wire.input += "abc";
        host.bench.run();
        EXPECT_TRUE(wire.output.ends_with("3\r\nabc\r\n")) << wire.output;
        wire.input += "def" + (closes ? "" : get("/next"));
        host.bench.run();
        EXPECT_TRUE(wire.output.contains("3\r\ndef\r\n0\r\n\r\n")) << wire.output;
        EXPECT_EQ(wire.output.ends_with("/next"), !closes);
        EXPECT_EQ(host.bench.closed() || wire.shut, closes);
    }
}

TEST(StreamedBody, AStreamThatEndsBeforeTheBodyLeavesTheRestToBeDropped) {
    for (const std::size_t rest : {10U, 200'000U}) {
        Wire wire{.input = post_length(3 + rest) + "abc"};
        std::shared_ptr<Stream> stream;
        Streamed host(wire);
        echo(host, stream);
        host.bench.run();
        stream->finish();
        wire.input += std::string(rest, 'x') + get("/next");
        host.bench.run();
        EXPECT_EQ(host.recorder().body, "abc");
        EXPECT_EQ(host.recorder().ended, 0);
        EXPECT_TRUE(host.recorder().failures.empty());
        EXPECT_EQ(wire.output.ends_with("/next"), rest == 10) << rest;
        EXPECT_EQ(wire.shut, rest != 10);
    }
}

TEST(StreamedBody, ABodyThatBreaksUnderAStreamIsToldAndTheStreamEndsAsItsWriterSays) {
    Wire wire{.input = post_chunked() + "3\r\nabc\r\nzz\r\n"};
    std::shared_ptr<Stream> stream;
    Streamed host(wire);
    echo(host, stream);
    host.bench.run();
    EXPECT_EQ(host.recorder().failures, std::vector{400});
    EXPECT_EQ(host.bench.application.protocol_errors.load(), 0);
    EXPECT_FALSE(wire.output.ends_with("0\r\n\r\n"));
    stream.reset();
    EXPECT_TRUE(host.bench.closed());
    EXPECT_FALSE(wire.output.ends_with("0\r\n\r\n"));
}

TEST(StreamedBody, TheApplicationMayAnswerInTheMiddleOfAPiece) {
    for (const std::string& input :
         {post_length(9) + "abcdefghi", post_chunked() + "3\r\nabc\r\n6\r\ndefghi\r\n0\r\n\r\n"}) {
        for (const std::size_t step : {1000U, 1U, 5U}) {
            Wire wire{.input = input + get("/next"), .read_step = step};
            Streamed host(wire);
            host.on_request = [&host](const ExchangePtr& exchange) {
                if (!exchange->head().has_body()) return exchange->respond(with_body(exchange->head().path));
                host.recorder().each = [raw = exchange.get()](std::string_view) { raw->respond(with_body("enough")); };
            };
            host.bench.run();
            EXPECT_TRUE(wire.output.contains("enough"));
            EXPECT_TRUE(wire.output.ends_with("/next")) << step << wire.output;
            EXPECT_EQ(host.recorder().ended, 0);
        }
    }
}

}  // namespace
}  // namespace tidegate::http
