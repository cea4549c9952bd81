// kill -9 in the middle of the load: every decision whose answer a client has seen is in the record.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

constexpr int kRounds = 20;
constexpr int kClients = 4;

/// Asks until the server dies; gives the ids of all answers that came whole.
std::vector<std::string> ask_until_death(std::uint16_t port, int seed, std::atomic<int>& answered) {
    std::vector<std::string> ids;
    RawClient client(port);
    for (int i = 0; i < 100'000; ++i) {
        const std::string body =
            text_body("Text " + std::to_string(seed) + " number " + std::to_string(i) + " for the record.");
        const RawResponse response =
            client.ask(request_text("POST", "/api/v1/detect/text", body, {{"Content-Type", "application/json"}}));
        if (!response.complete || response.status != 200) break;
        ids.emplace_back(parse_json(response.body).root().find("analysis_id")->as_string());
        ++answered;
    }
    return ids;
}

std::set<std::string> recorded_ids(std::uint16_t port) {
    std::set<std::string> ids;
    const auto ask = [port] { return get(port, "/api/v1/analyze/history/export?format=json"); };
    until_given(ask, json::Kind::kArray).root().each([&](json::Value item) {
        ids.emplace(item.find("analysis_id")->as_string());
    });
    return ids;
}

void run_rounds(const std::string& durability) {
    const TemporaryFolder folder;
    std::set<std::string> acknowledged;
    for (int round = 0; round < kRounds; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        auto server = ServerProcess::start(folder.path(), {"--audit.durability", durability, "--log.level", "info"});
        ASSERT_NE(server, nullptr);
        std::atomic<int> answered{0};
        std::vector<std::vector<std::string>> ids(kClients);
        {
            std::vector<std::jthread> clients;
            for (int c = 0; c < kClients; ++c) {
                clients.emplace_back([&, c] {
                    ids[static_cast<std::size_t>(c)] = ask_until_death(server->port(), round * kClients + c, answered);
                });
            }
            // Another moment each round: after 5, 12, 19, ... answers.
            const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
            while (answered < 5 + round * 7 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
            server->kill_now();
        }
        for (const auto& list : ids) acknowledged.insert(list.begin(), list.end());
    }
    const auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    const std::set<std::string> recorded = recorded_ids(server->port());
    EXPECT_GE(acknowledged.size(), static_cast<std::size_t>(kRounds * 5));
    std::size_t lost = 0;
    for (const std::string& id : acknowledged) lost += recorded.contains(id) ? 0 : 1;
    EXPECT_EQ(lost, 0U) << "of " << acknowledged.size() << " acknowledged decisions";
}

TEST(Crash, NoAcknowledgedDecisionIsLostWithDurabilityDisk) {
    run_rounds("disk");
}
TEST(Crash, NoAcknowledgedDecisionIsLostWithDurabilityProcess) {
    run_rounds("process");
}

}  // namespace
}  // namespace tidegate::testing
