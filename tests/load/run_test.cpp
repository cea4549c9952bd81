#include "load/run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "load/result.h"
#include "load/small_server.h"

namespace tidegate::load {
namespace {

class Run : public ::testing::Test {
  protected:
    static Mix mix() {
        std::vector<Operation> operations;
        operations.push_back(
            {.name = "read", .method = "GET", .handler = "/", .repeats = false, .make = [](Dice&, Payload& out) {
                 out.target = "/";
             }});
        return {std::move(operations), {.seed = 1, .repeats = 0, .hot_keys = 1, .fields = "Host: x\r\n"}};
    }
    static Plan closed(double users, double seconds) {
        Plan plan;
        plan.stages = {{.seconds = seconds, .from = users, .to = users}};
        plan.timeout_s = 20;
        return plan;
    }
    static Plan open(double rate, double seconds) {
        Plan plan = closed(rate, seconds);
        plan.loop = Loop::kOpen;
        plan.arrivals = Arrivals::kConstant;
        plan.connections = 16;
        return plan;
    }
    RunResult run(const Plan& plan) const {
        return run(plan, [](const Now&) { return true; });
    }
    RunResult run(const Plan& plan, const std::function<bool(const Now&)>& watch) const {
        const Mix mixed = mix();
        const auto place = Place::find(server_.url(), "", true);
        EXPECT_TRUE(place.has_value());
        const auto outcome = run_load(plan, mixed, *place, watch, [] {});
        EXPECT_TRUE(outcome.has_value());
        RunResult result;
        take_tally(result, *outcome, mixed.operations());
        return result;
    }
    static std::uint64_t fault(const RunResult& result, const std::string& name) {
        const auto found = result.all.errors_by.find(name);
        return found == result.all.errors_by.end() ? 0 : found->second;
    }
    SmallServer server_;
};

TEST_F(Run, ClosedLoopEndsByItselfAndCountsWhatTheServerServed) {
    const RunResult result = run(closed(4, 1));
    EXPECT_GT(result.all.good, 0U);
    EXPECT_EQ(result.all.errors, 0U);
    EXPECT_EQ(result.all.sent, result.all.good);
    EXPECT_EQ(result.all.good, server_.served.load());
    EXPECT_EQ(result.all.ok.count(), result.all.good);
    EXPECT_EQ(result.connects, 4U);
    std::uint64_t in_series = 0;
    for (const Interval& interval : result.series) in_series += interval.good;
    EXPECT_EQ(in_series, result.all.good);
}

TEST_F(Run, SeveralThreadsShareTheUsersAndTheirCounts) {
    Plan plan = closed(5, 1);
    plan.threads = 3;
    const RunResult result = run(plan);
    EXPECT_EQ(result.connects, 5U);
    EXPECT_EQ(result.all.good, server_.served.load());
    EXPECT_EQ(result.all.errors, 0U);
}

TEST_F(Run, ANumberOfRequestsIsKeptToTheLast) {
    Plan plan = closed(4, 600);
    plan.requests = 123;
    const RunResult result = run(plan);
    EXPECT_EQ(result.all.sent, 123U);
    EXPECT_EQ(result.all.good, 123U);
    EXPECT_EQ(server_.served.load(), 123U);
    EXPECT_FALSE(result.interrupted);
    EXPECT_LT(result.window_s, 600);
}

TEST_F(Run, RequestsOfRampAndWarmUpAreNotMeasured) {
    Plan plan = closed(2, 0.2);
    plan.ramp_s = 0.5;
    plan.warm_up_s = 0.5;
    const RunResult result = run(plan);
    EXPECT_GT(result.warm_up, 0U);
    EXPECT_EQ(result.all.good + result.warm_up, server_.served.load());
}

TEST_F(Run, OpenLoopAsksAsOftenAsItWasTold) {
    const RunResult result = run(open(200, 0.5));
    // 100 are due in half a second, and none may be lost however slow this machine is.
    EXPECT_EQ(result.all.sent, 100U);
    EXPECT_EQ(result.all.good + result.all.errors, 100U);
}

TEST_F(Run, OpenLoopCountsTheWaitBehindAStall) {
    // One connection; the first answer takes 400 ms while a request falls due each 10 ms: those behind it waited, though each was
    // answered at once when it was asked.
    server_.stall_ms = 400;
    server_.stalls_once = true;
    Plan plan = open(100, 0.5);
    plan.connections = 1;
    const RunResult result = run(plan);
    EXPECT_EQ(result.all.sent, 50U);
    // A coordinated tool would report one slow request of fifty: a median near nothing.
    EXPECT_GT(result.all.ok.quantile(0.5), 50e6);
    EXPECT_GT(result.all.ok.quantile(0.9), 200e6);
}

TEST_F(Run, ClosedLoopAsksLessOfASlowServer) {
    server_.delay_ms = 50;
    const RunResult result = run(closed(2, 0.5));
    EXPECT_LE(result.all.sent, 22U);
    EXPECT_GE(result.all.ok.quantile(0.5), 50e6);
}

TEST_F(Run, UsersThatThinkAskSeldomerAndTheToolRestsMeanwhile) {
    Plan plan = closed(4, 0.6);
    plan.think_s = 0.1;
    const Mix mixed = mix();
    const auto place = Place::find(server_.url(), "", true);
    ASSERT_TRUE(place.has_value());
    const auto outcome = run_load(plan, mixed, *place, [](const Now&) { return true; }, [] {});
    ASSERT_TRUE(outcome.has_value());
    // 24 are to be expected, and of an exponential pause three times as many never come.
    EXPECT_LE(outcome->tally.operations[0].sent, 72U);
    EXPECT_GE(outcome->tally.operations[0].sent, 4U);
    EXPECT_LT(outcome->tally.cpu_s, 0.3);
}

TEST_F(Run, TimeOutsAreErrorsAndCountInTheLatencies) {
    server_.silent = true;
    Plan plan = closed(2, 0.3);
    plan.timeout_s = 0.1;
    const RunResult result = run(plan);
    EXPECT_GE(fault(result, "timeout"), 2U);
    EXPECT_EQ(result.all.good, 0U);
    EXPECT_EQ(result.all.errors, result.all.sent);
    EXPECT_GE(result.all.ok.quantile(0.5), 100e6);
}

TEST_F(Run, RefusalsAreErrorsByTheirStatusAndNoQuickAnswers) {
    server_.status = 503;
    const RunResult result = run(closed(2, 0.2));
    EXPECT_GT(fault(result, "status_503"), 0U);
    EXPECT_EQ(fault(result, "status_503"), result.all.errors);
    EXPECT_EQ(result.all.ok.count(), 0U);
    EXPECT_EQ(result.all.refused.count(), result.all.errors);
    EXPECT_EQ(result.answers_per_s, 0);
}

TEST_F(Run, ConnectionsThatBreakAreErrors) {
    server_.hangs_up = true;
    const RunResult result = run(closed(2, 0.3));
    EXPECT_GT(fault(result, "reset"), 0U);
    EXPECT_EQ(result.all.good, 0U);
}

TEST_F(Run, AServerThatClosesAfterEachAnswerIsAskedAgain) {
    server_.closes = true;
    const RunResult result = run(closed(2, 0.3));
    EXPECT_GT(result.all.good, 2U);
    EXPECT_EQ(result.all.errors, 0U);
    EXPECT_GE(result.connects, result.all.good);
}

TEST_F(Run, InterruptedItGivesWhatItHasUntilThen) {
    std::atomic<int> looks{0};
    const RunResult result = run(closed(2, 600), [&](const Now& now) { return ++looks < 3 || now.answers == 0; });
    EXPECT_TRUE(result.interrupted);
    EXPECT_GT(result.all.good, 0U);
    EXPECT_LT(result.window_s, 600);
    EXPECT_GT(result.answers_per_s, 0);
}

TEST_F(Run, ASpikeHasItsUsersAndNoOthers) {
    server_.delay_ms = 5;
    Plan plan = closed(0, 0);
    plan.stages = {{0.3, 2, 2}, {0, 2, 12}, {1, 12, 12}, {0, 12, 1}, {0.3, 1, 1}};
    std::atomic<std::uint32_t> most{0};
    const RunResult result = run(plan, [&](const Now& now) {
        most = std::max(most.load(), now.level);
        return true;
    });
    EXPECT_EQ(result.connects, 12U);
    EXPECT_LE(most.load(), 12U);
    EXPECT_EQ(result.all.errors, 0U);
}

TEST_F(Run, OpenLoopWhatWasDueAndNeverSentIsAnError) {
    server_.silent = true;
    Plan plan = open(100, 0.3);
    plan.connections = 1;
    plan.timeout_s = 0.5;
    const RunResult result = run(plan);
    EXPECT_EQ(result.all.sent, 30U);
    EXPECT_EQ(fault(result, "not_sent"), 29U);
    EXPECT_EQ(fault(result, "timeout"), 1U);
}

TEST(Place, WhereNobodyListensThereIsNone) {
    // Bound and not listening: no other program takes the port meanwhile.
    const int held = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ASSERT_EQ(::bind(held, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(held, reinterpret_cast<sockaddr*>(&address), &size);
    EXPECT_FALSE(Place::find("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)), "", true).has_value());
    ::close(held);
    EXPECT_FALSE(Place::find("ftp://127.0.0.1", "", true).has_value());
}

}  // namespace
}  // namespace tidegate::load
