// A stream of decisions: outcomes in order, a bad line is that line's, the sender waits for the log and for its own reading.
#include "services/compliance/ingest/batch_stream.h"

#include <gmock/gmock.h>

#include "observe/log.h"
#include "pipeline/dispatcher.h"
#include "services/compliance/ingest/ingest_routes.h"
#include "services/compliance_ingest/ingest_fixture.h"
#include "support/fake_exchange.h"
#include "support/loop_driver.h"

namespace tidegate::compliance::ingest {
namespace {

using ::testing::HasSubstr;

/// One request, its body handed on as a connection would.
struct Sending {
    std::shared_ptr<testing::FakeExchange> exchange;
    std::shared_ptr<http::BodyReceiver> body;
    bool room = true;

    void send(std::string_view bytes) { room = body->on_body(bytes); }
    void end() { body->on_body_end(); }
    const std::string& out() const { return exchange->stream->body; }
    bool finished() const { return exchange->stream->finished; }
};

class BatchStreamTest : public IngestFixture {
  protected:
    void SetUp() override {
        segment_bytes_ = 4 * 1024 * 1024;
        IngestFixture::SetUp();
        logger_ = observe::Logger::open({.level = observe::Level::kOff}, clock_).value();
        workers_.emplace("ingest", 2, 64);
        routes_.emplace(RouteParts{
            .batch =
                {.intake = *intake_, .workers = *workers_, .clock = clock_, .privacy = nullptr, .line_bytes_max = 4096},
            .streams_max = 2,
            .streams = std::make_shared<std::atomic<std::uint32_t>>(0)});
        std::vector<pipeline::Route> routes;
        register_ingest_routes(routes, *routes_);
        dispatcher_.emplace(pipeline::Parts{.clock = clock_,
                                            .random = random_,
                                            .metrics = metrics_,
                                            .log = *logger_,
                                            .decisions = *log_,
                                            .cpu = *workers_,
                                            .blocking = *workers_},
                            settings_, std::move(routes));
    }
    void TearDown() override {
        workers_->stop();
        loop_.turn_for(std::chrono::milliseconds(1));
        IngestFixture::TearDown();
    }
    Sending begin(std::string query = {}, std::string type = "application/x-ndjson") {
        http::RequestHead head;
        head.method = http::Method::kPost;
        head.path = "/api/v1/decisions/batch";
        head.query = std::move(query);
        head.chunked = true;
        head.headers.add("Content-Type", type);
        Sending sending{.exchange = std::make_shared<testing::FakeExchange>(std::move(head)), .body = nullptr};
        sending.exchange->use_loop(loop_.loop());
        sending.body = dispatcher_->on_head(sending.exchange).receiver;
        dispatcher_->on_request(sending.exchange);
        return sending;
    }
    /// Sends the whole as fast as the stream takes it.
    bool send_all(Sending& sending, std::string_view text, std::size_t piece = 16 * 1024) {
        while (!text.empty()) {
            const int resumed = sending.exchange->body_resumed;
            sending.send(text.substr(0, piece));
            text.remove_prefix(std::min(piece, text.size()));
            if (!sending.room && !loop_.until([&] { return sending.exchange->body_resumed > resumed; })) return false;
        }
        sending.end();
        return true;
    }
    bool run(Sending& sending, std::string_view text) {
        return send_all(sending, text) && loop_.until([&] { return sending.finished(); });
    }

    testing::LoopDriver loop_;
    observe::Registry metrics_;
    pipeline::PipelineSettings settings_;
    std::unique_ptr<observe::Logger> logger_;
    std::optional<runtime::WorkerPool> workers_;
    std::optional<RouteParts> routes_;
    std::optional<pipeline::Dispatcher> dispatcher_;
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t at = 0;
    for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
        lines.push_back(text.substr(at, end - at));
    }
    return lines;
}

TEST_F(BatchStreamTest, EachLineHasItsOutcomeInOrder) {
    auto sending = begin();
    const std::string text = decision(1) + "\n\r\n{broken\n" + decision(1) + "\r\n" + decision(1, "no") + "\n" +
                             R"({"request_id":"x","verdict":1})" + "\n" + decision(2);
    ASSERT_TRUE(run(sending, text));
    const auto lines = lines_of(sending.out());
    ASSERT_EQ(lines.size(), 7U) << sending.out();
    EXPECT_THAT(lines[0], HasSubstr(R"({"line":1,"outcome":"recorded","decision_id":")"));
    EXPECT_THAT(lines[1], HasSubstr(R"({"line":3,"outcome":"invalid","errors":[{"field":"",)"));
    EXPECT_THAT(lines[2], HasSubstr(R"({"line":4,"outcome":"duplicate")"));
    EXPECT_THAT(lines[3], HasSubstr(R"({"line":5,"outcome":"conflict")"));
    EXPECT_THAT(lines[4], HasSubstr(R"("field":"verdict")"));
    EXPECT_THAT(lines[5], HasSubstr(R"({"line":7,"outcome":"recorded")"));
    EXPECT_EQ(
        lines[6],
        R"({"end":true,"lines":7,"recorded":2,"duplicates":1,"conflicts":1,"invalid":2,"failed":0,"stopped":false})");
    EXPECT_EQ(records(), 2U);
    EXPECT_TRUE(loop_.until([&] { return routes_->streams->load() == 0; }));
}

TEST_F(BatchStreamTest, ALineIsAnsweredWhileTheNextIsStillToCome) {
    auto sending = begin();
    sending.send(decision(1) + "\n" + decision(2).substr(0, 20));
    ASSERT_TRUE(loop_.until([&] { return sending.out().find("recorded") != std::string::npos; }));
    EXPECT_EQ(records(), 1U);
    sending.send(decision(2).substr(20) + "\n");
    ASSERT_TRUE(loop_.until([&] { return lines_of(sending.out()).size() == 2; }));
    sending.end();
    ASSERT_TRUE(loop_.until([&] { return sending.finished(); }));
}

TEST_F(BatchStreamTest, AnOverlongLineIsAnErrorAndTheRestGoesOn) {
    auto sending = begin();
    const std::string text = decision(1) + "\n" + std::string(300'000, 'x') + "\n" + decision(2) + "\n" +
                             R"({"request_id":")" + std::string(5000, 'y') + "\"}\n" + decision(3) + "\n" +
                             std::string(10'000, 'z');
    ASSERT_TRUE(run(sending, text));
    const auto lines = lines_of(sending.out());
    ASSERT_EQ(lines.size(), 7U) << sending.out().substr(0, 2000);
    for (const std::size_t bad : {1U, 3U, 5U}) EXPECT_THAT(lines[bad], HasSubstr("too_long"));
    EXPECT_THAT(lines[6], HasSubstr(R"("recorded":3,"duplicates":0,"conflicts":0,"invalid":3)"));
}

TEST_F(BatchStreamTest, StopOnErrorEndsTheStream) {
    auto sending = begin("stop_on_error=true");
    sending.send(decision(1) + "\n{\n" + decision(2) + "\n");
    ASSERT_TRUE(loop_.until([&] { return sending.finished(); }));
    const auto lines = lines_of(sending.out());
    ASSERT_EQ(lines.size(), 3U) << sending.out();
    EXPECT_THAT(lines[2],
                HasSubstr(R"("recorded":1,"duplicates":0,"conflicts":0,"invalid":1,"failed":0,"stopped":true)"));
    EXPECT_EQ(records(), 1U);
}

TEST_F(BatchStreamTest, ASummaryHoldsSumsAndTheFirstFaults) {
    auto sending = begin("report=summary");
    std::string text;
    for (std::uint64_t n = 0; n < 150; ++n) text += decision(n) + "\n{\n";
    ASSERT_TRUE(send_all(sending, text));
    ASSERT_TRUE(loop_.until([&] { return sending.exchange->responded.load(); }));
    EXPECT_EQ(sending.exchange->answer().status, 207);
    const auto document = json::parse(sending.exchange->answer().payload());
    ASSERT_TRUE(document);
    EXPECT_EQ(document->root().find("recorded")->as_int(), 150);
    EXPECT_EQ(document->root().find("invalid")->as_int(), 150);
    EXPECT_EQ(document->root().find("errors")->size(), BatchReport::kFaultsMax);
    EXPECT_EQ(document->root().find("errors_left_out")->as_int(), 50);

    auto again = begin("report=summary");
    ASSERT_TRUE(send_all(again, decision(1) + "\n"));
    ASSERT_TRUE(loop_.until([&] { return again.exchange->responded.load(); }));
    EXPECT_EQ(again.exchange->answer().status, 202);
}

TEST_F(BatchStreamTest, WhoDoesNotReadIsNotReadFrom) {
    auto sending = begin();
    sending.exchange->stream->full = true;
    std::uint64_t n = 0;
    std::size_t sent = 0;
    for (int i = 0; i < 2000 && sending.room; ++i) {
        std::string piece;
        while (piece.size() < 16 * 1024) piece += decision(n++) + "\n";
        sent += piece.size();
        sending.send(piece);
        loop_.loop().turn(Duration(0));
    }
    ASSERT_FALSE(sending.room) << "it has taken " << sent << " bytes and would go on";
    EXPECT_LT(sent, (BatchStream::kDepth + 3) * BatchStream::kPieceBytes);
    const int resumed = sending.exchange->body_resumed;
    sending.exchange->stream->make_room();
    ASSERT_TRUE(loop_.until([&] { return sending.exchange->body_resumed > resumed; }));
    sending.end();
    ASSERT_TRUE(loop_.until([&] { return sending.finished(); }));
    EXPECT_EQ(lines_of(sending.out()).size(), n + 1);
    EXPECT_EQ(records(), n);
}

TEST_F(BatchStreamTest, ASenderThatLeavesLosesOutcomesButNoRecord) {
    auto sending = begin();
    std::string text;
    for (std::uint64_t n = 0; n < 50; ++n) text += decision(n) + "\n";
    sending.send(text + decision(50).substr(0, 30));
    sending.exchange->stream->gone = true;
    sending.body->on_body_failed(499, "the client has left");
    ASSERT_TRUE(loop_.until([&] { return records() == 50; }));
    ASSERT_TRUE(loop_.until([&] { return routes_->streams->load() == 0; }));
    EXPECT_FALSE(sending.finished());
    // Sent again, all of them are known.
    auto again = begin();
    ASSERT_TRUE(run(again, text));
    EXPECT_THAT(lines_of(again.out()).back(), HasSubstr(R"("recorded":0,"duplicates":50)"));
}

TEST_F(BatchStreamTest, AHundredThousandLinesPassInOrder) {
    auto sending = begin();
    constexpr std::uint64_t kLines = 100'000;
    std::string text;
    for (std::uint64_t n = 0; n < kLines; ++n) text += fmt::format("{{\"request_id\":\"q{}\",\"input\":{}}}\n", n, n);
    ASSERT_TRUE(send_all(sending, text));
    ASSERT_TRUE(loop_.until([&] { return sending.finished(); }, std::chrono::seconds(120)));
    const auto lines = lines_of(sending.out());
    ASSERT_EQ(lines.size(), kLines + 1);
    for (std::uint64_t n = 0; n < kLines; ++n) {
        ASSERT_TRUE(lines[n].starts_with(fmt::format("{{\"line\":{},\"outcome\":\"recorded\"", n + 1))) << lines[n];
    }
    EXPECT_EQ(records(), kLines);
}

TEST_F(BatchStreamTest, ALogThatTakesNothingEndsTheStream) {
    disk_.fail_when([](audit::segments::TestDisk::Step, const std::string&) { return true; });
    auto sending = begin();
    sending.send(decision(1) + "\n");
    ASSERT_TRUE(loop_.until([&] { return sending.finished(); }));
    const auto lines = lines_of(sending.out());
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_THAT(lines[0], HasSubstr(R"("outcome":"failed","error":"unavailable")"));
    EXPECT_THAT(lines[1], HasSubstr(R"("failed":1,"stopped":true)"));
}

TEST_F(BatchStreamTest, WhatTheRouteDoesNotTakeIsRefused) {
    EXPECT_EQ(begin({}, "multipart/form-data").exchange->answer().status, 415);
    EXPECT_EQ(begin("report=none").exchange->answer().status, 422);
    EXPECT_EQ(begin("reprot=lines").exchange->answer().status, 422);
    const auto one = begin();
    const auto two = begin();
    const auto three = begin();
    EXPECT_EQ(three.exchange->answer().status, 503);
    one.body->on_body_end();
    two.body->on_body_end();
    ASSERT_TRUE(loop_.until([&] { return one.finished() && two.finished(); }));
}

}  // namespace
}  // namespace tidegate::compliance::ingest
