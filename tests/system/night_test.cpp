// What wakes an operator at night: the wrong start, the full disk, the shutdown that takes too long, the client with bad
// manners.
#include <chrono>
#include <filesystem>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Night, ASecondServerOnOneDataFolderIsRefusedByName) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    const RunResult second = run_binary({"serve", "--port", "0", "--data-dir", folder.path()});
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.error.find("process " + std::to_string(server->pid())), std::string::npos) << second.error;
    EXPECT_EQ(post(server->port(), "/api/v1/detect/text", text_body(kHumanText)).status, 200);
    server->kill_now();
    EXPECT_NE(ServerProcess::start(folder.path()), nullptr) << "a lock outlived its process";
}

TEST(Night, ADatabaseThatCannotBeOpenedIsNamed) {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.path() + "/tidegate.db");
    const RunResult run = run_binary({"serve", "--port", "0", "--data-dir", folder.path()});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.error.find(folder.path() + "/tidegate.db"), std::string::npos) << run.error;
}

TEST(Night, AQueueTooShortForABatchStopsTheStart) {
    const TemporaryFolder folder;
    const RunResult run =
        run_binary({"serve", "--port", "0", "--data-dir", folder.path(), "--audit.queue_records_max", "49"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.error.find("audit.queue_records_max"), std::string::npos) << run.error;
    EXPECT_NE(run.error.find("provenance.batch_items_max"), std::string::npos) << run.error;
}

TEST(Night, TheLongestDomainInAnyScriptIsRecorded) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    std::string domain;
    for (int i = 0; i < 64; ++i) domain += "\xF0\x9F\x8C\x8A";
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("text", kHumanText).field("domain", domain).end_object();
    const RawResponse response = post(server->port(), "/api/v1/detect/text", body);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_NE(get(server->port(), "/api/v1/analyze/history").body.find(domain), std::string::npos);
}

TEST(Night, AStreamLongerThanItsBufferArrivesWhole) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path(), {"--limits.stream_buffer_bytes_max", "4096"});
    ASSERT_NE(server, nullptr);
    std::string text;
    for (int i = 0; i < 40; ++i) text += std::string(kHumanText) + " ";
    RawClient client(server->port(), 4096);
    ASSERT_TRUE(client.send(
        request_text("POST", "/api/v1/detect/stream/text", text_body(text), {{"Content-Type", "application/json"}})));
    rest(std::chrono::milliseconds(300));
    const RawResponse response = client.response();
    EXPECT_TRUE(response.complete);
    EXPECT_GT(response.body.size(), 16U * 1024);
    EXPECT_NE(response.body.find("event: done"), std::string::npos);
}

// `... | nc -N`, and old clients and proxies: they close their side when the question is asked.
TEST(Night, AClientThatStopsSendingGetsItsAnswerEveryTime) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 50; ++i) {
        RawClient client(server->port());
        ASSERT_TRUE(client.send(request_text("POST", "/api/v1/detect/text", text_body(kHumanText))));
        client.shutdown_write();
        ASSERT_EQ(client.response().status, 200) << "at " << i;
    }
}

std::string batch_of(int items) {
    std::string text;
    while (text.size() + kHumanText.size() < 49'000) text += std::string(kHumanText) + " ";
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().key("items").begin_array();
    for (int i = 0; i < items; ++i) {
        writer.begin_object().field("item_id", std::to_string(i)).field("text", text).end_object();
    }
    writer.end_array().end_object();
    return body;
}

TEST(Night, TheNumbersCanBeReadWhileTheDetectorsAreOverloaded) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path(), {"--pools.cpu_threads", "1", "--pools.cpu_queue_max", "1"});
    ASSERT_NE(server, nullptr);
    const std::string body = batch_of(50);
    std::vector<RawClient> clients;
    const auto ask_four = [&] {
        for (int i = 0; i < 4; ++i) {
            clients.emplace_back(server->port());
            EXPECT_TRUE(clients.back().send(
                request_text("POST", "/api/v1/batch/text", body, {{"Content-Type", "application/json"}})));
        }
    };
    ask_four();
    // The first refusal says that the queue is full. Where a stall lay between the four they were done one by one: four more.
    bool refused = false;
    const auto give_up = Clock::now() + std::chrono::seconds(60);
    auto more = Clock::now() + std::chrono::seconds(15);
    while (!refused && Clock::now() < give_up) {
        if (Clock::now() > more) {
            ask_four();
            more = Clock::now() + std::chrono::seconds(15);
        }
        refused = parse_json(get(server->port(), "/health").body)
                      .root()
                      .find("pools")
                      ->find("cpu")
                      ->find("refused")
                      ->as_int() > 0;
    }
    EXPECT_TRUE(refused);
    for (const char* path : {"/live", "/ready", "/health", "/metrics", "/api/v1/analyze/stats"}) {
        EXPECT_EQ(get(server->port(), path).status, 200) << path;
    }
}

// server.drain_max_s is what a supervisor's own patience is set by.
constexpr int kWaiting = 20;

/// How long a server takes to end that has no time to drain and so many batches in its queue: counted in times of one batch.
double batches_until_the_end() {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path(), {"--pools.cpu_threads", "1", "--server.drain_max_s", "0"});
    if (server == nullptr) return 0;  // Has failed the test.
    const std::string body = batch_of(20);
    const auto begin = Clock::now();
    EXPECT_EQ(post(server->port(), "/api/v1/batch/text", body).status, 200);
    const std::chrono::duration<double> one = Clock::now() - begin;
    std::vector<RawClient> clients;
    for (int i = 0; i < kWaiting; ++i) {
        clients.emplace_back(server->port());
        EXPECT_TRUE(clients.back().send(
            request_text("POST", "/api/v1/batch/text", body, {{"Content-Type", "application/json"}})));
    }
    const auto asked = Clock::now();
    EXPECT_EQ(server->stop(SIGTERM, 120), 0);
    return std::chrono::duration<double>(Clock::now() - asked) / one;
}

TEST(Night, ShutdownDoesNotWorkThroughAQueueAfterItsTimeIsOver) {
    // A machine that stalls has three tries; a server that works through its queue needs all of it each time.
    double least = batches_until_the_end();
    for (int again = 0; again < 2 && least >= kWaiting / 2.0; ++again) least = batches_until_the_end();
    EXPECT_LT(least, kWaiting / 2.0);
}

TEST(Night, ExportsLeaveThreadsForEverybodyElse) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path(), {"--pools.blocking_threads", "2", "--provenance.exports_max", "1",
                                                       "--limits.stream_buffer_bytes_max", "4096"});
    ASSERT_NE(server, nullptr);
    std::string items;
    for (int i = 0; i < 50; ++i) {
        items += (i == 0 ? "" : ",") + (R"({"item_id":")" + std::to_string(i) + R"(",)") +
                 text_body("The tide came in at six and took the bench with it.").substr(1);
    }
    // Some 12 MB of export: more than the kernel's buffers on both sides take from a server whose client does not read.
    for (int i = 0; i < 400; ++i) {
        ASSERT_EQ(post(server->port(), "/api/v1/batch/text", R"({"items":[)" + items + "]}").status, 200);
    }
    RawClient slow(server->port(), 4096);
    ASSERT_TRUE(slow.send(request_text("GET", "/api/v1/analyze/history/export")));
    ASSERT_TRUE(slow.wait_for("200 OK"));  // And reads no further.
    expect_problem(get(server->port(), "/api/v1/analyze/history/export"), 503, "unavailable");
    EXPECT_EQ(get(server->port(), "/api/v1/analyze/history").status, 200);
    slow.close();
    bool free_again = false;
    const auto give_up = Clock::now() + std::chrono::seconds(60);
    while (!free_again && Clock::now() < give_up) {
        free_again = get(server->port(), "/api/v1/analyze/history/export?to=2001-01-01T00:00:00Z").status == 200;
        if (!free_again) rest(std::chrono::milliseconds(50));
    }
    EXPECT_TRUE(free_again);
}

}  // namespace
}  // namespace tidegate::testing
