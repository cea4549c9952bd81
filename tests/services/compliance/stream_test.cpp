// An event stream gives each new decision of its filter once, goes on where it was cut, and waits for nobody else.
#include "base/strings.h"
#include "services/compliance/query_fixture.h"

namespace tidegate::compliance {
namespace {

using audit::decision_at;
using audit::naive;
using ::testing::HasSubstr;
using ::testing::Not;

using StreamTest = QueryFixture;

/// The leaves of the decisions in a stream, in its order.
std::vector<std::uint64_t> leaves_of(const std::string& body) {
    std::vector<std::uint64_t> leaves;
    for (const std::string_view line : split(body, '\n')) {
        if (line.starts_with("id:")) leaves.push_back(parse_u64(trim(line.substr(3))).value());
    }
    return leaves;
}

TEST_F(StreamTest, GivesNewDecisionsOfTheCallersTenantOnly) {
    log_.fill(500);
    const auto north = listen("stream?service=flood", north_);
    const auto all = listen("stream", auditor_);
    ASSERT_NE(north, nullptr);
    ASSERT_NE(all, nullptr);
    const std::uint64_t begin = log_.log->reader().end_leaf();
    log_.fill(1000);
    const std::uint64_t end = log_.log->reader().end_leaf();
    std::vector<std::uint64_t> of_north, of_all;
    for (std::uint64_t leaf = begin; leaf < end; ++leaf) {
        const audit::Decision d = log_.log->reader().read(leaf).value().decision;
        if (d.kind != audit::RecordKind::kDecision) continue;
        of_all.push_back(leaf);
        if (d.tenant == "north" && d.service == "flood") of_north.push_back(leaf);
    }
    ASSERT_FALSE(of_north.empty());
    EXPECT_TRUE(north->wait_for("event: decision", of_north.size()));
    EXPECT_TRUE(all->wait_for("event: decision", of_all.size()));
    EXPECT_EQ(leaves_of(north->body()), of_north);
    EXPECT_EQ(leaves_of(all->body()), of_all);
    EXPECT_THAT(north->body(), Not(HasSubstr("\"south\"")));
}

TEST_F(StreamTest, GoesOnAfterTheLastEventThatAClientHasSeen) {
    log_.fill(3000);
    const std::uint64_t seen = 1234;
    const auto stream = listen("stream", north_, std::to_string(seen));
    ASSERT_NE(stream, nullptr);
    log_.fill(3500);
    std::vector<std::uint64_t> expected;
    const std::uint64_t end = log_.log->reader().end_leaf();
    for (std::uint64_t leaf = seen + 1; leaf < end; ++leaf) {
        const audit::Decision d = log_.log->reader().read(leaf).value().decision;
        if (d.kind == audit::RecordKind::kDecision && d.tenant == "north") expected.push_back(leaf);
    }
    EXPECT_TRUE(stream->wait_for("event: decision", expected.size()));
    EXPECT_EQ(leaves_of(stream->body()), expected);
    for (const char* bad : {"99999999", "x", "-1"}) {
        const auto refused = ask(http::Method::kGet, "/api/compliance/stream", north_, {}, bad);
        EXPECT_EQ(refused->answer().status, 400) << bad;
    }
}

TEST_F(StreamTest, ASlowReaderIsToldWhatItMissedAndHoldsUpNobody) {
    const auto slow = listen("stream", auditor_);
    const auto quick = listen("stream", auditor_);
    ASSERT_TRUE(slow->wait_for(": open"));
    slow->set_slow(true);
    log_.fill(20'000);
    std::uint64_t decisions = 0;
    const auto matching = naive({}, 20'000).size();
    slow->set_slow(false);
    ASSERT_TRUE(slow->wait_for("event: missed"));
    const std::string body = slow->body();
    decisions = leaves_of(body).size();
    std::uint64_t missed = 0;
    for (const std::string_view line : split(body, '\n')) {
        if (!line.starts_with("data: {\"count\":")) continue;
        missed += static_cast<std::uint64_t>(json::parse(line.substr(6))->root().find("count")->as_int());
    }
    EXPECT_LT(decisions, matching);
    EXPECT_EQ(decisions + missed, matching);
    // What it was given goes on from a known place: nothing is given twice, nothing out of order.
    EXPECT_TRUE(std::ranges::is_sorted(leaves_of(body), std::ranges::less_equal{}));
    EXPECT_TRUE(quick->wait_for("event: decision"));
}

TEST_F(StreamTest, AClientThatLeavesGivesItsPlaceBack) {
    settings_.streams_max = 1;
    const auto first = listen("stream", north_);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(get("stream", south_).status, 503);
    first->leave();
    for (int i = 0; i < 12'000 && pump_->streams() > 0; ++i) {
        pump_->wake();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(pump_->streams(), 0U);
    EXPECT_NE(listen("stream", south_), nullptr);
}

TEST_F(StreamTest, AQuietStreamShowsThatItLivesAndAStopEndsItWhole) {
    settings_.heartbeat = std::chrono::seconds(1);
    const auto stream = listen("stream", north_);
    ASSERT_NE(stream, nullptr);
    EXPECT_TRUE(stream->wait_for(":", 2)) << "the opening and a heartbeat";
    EXPECT_FALSE(stream->finished());
    pump_->stop();
    EXPECT_TRUE(stream->finished());
    const auto late = listen("stream", north_);
    ASSERT_NE(late, nullptr);
    // Its end follows its beginning, on another thread.
    for (int i = 0; i < 12'000 && !late->finished(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(late->finished()) << "the client connects again, to a server that goes on";
}

TEST_F(StreamTest, StatisticsComeAtOnceAndWhenTheyChange) {
    log_.fill(100);
    const auto north = listen("statistics/stream", north_);
    ASSERT_NE(north, nullptr);
    ASSERT_TRUE(north->wait_for("event: statistics"));
    const auto before = naive({.tenant = "north"}, 100).size();
    EXPECT_THAT(north->body(), HasSubstr("\"total_requests\":" + std::to_string(before) + ","));
    log_.fill(400);
    const auto after = naive({.tenant = "north"}, 400).size();
    EXPECT_TRUE(north->wait_for("\"total_requests\":" + std::to_string(after) + ","));
    EXPECT_THAT(north->body(), Not(HasSubstr("south")));
}

}  // namespace
}  // namespace tidegate::compliance
