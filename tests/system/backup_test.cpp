// A backup made while the server works, restored to a fresh folder: what was acknowledged before it is there, the verifier agrees, and the
// server goes on.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/file.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;
namespace files = std::filesystem;

class Backup : public GateFixture {
  protected:
    // Small segments: some are sealed, one fills, and others come while it is copied.
    static constexpr std::uint64_t kAnswers = 800;
    static constexpr const char* kYaml = "audit: {segment_bytes: 1048576, checkpoint_interval_s: 0.05}\n";

    std::string at(const std::string& name) const { return folder_.path() + "/" + name; }
    RunResult backup(std::vector<std::string> words) const {
        words.insert(words.begin(), "backup");
        words.push_back("--data-dir=" + folder_.path());
        words.push_back("--config=" + at("tidegate.yaml"));
        return run_binary(words);
    }
    static int decide(RawClient& client, const std::string& id) {
        const RawResponse answer =
            client.ask(request_text("POST", "/api/v1/detect/text", text_body(std::string(kHumanText) + id),
                                    {{"Content-Type", "application/json"}, {"X-Request-ID", id}}));
        return answer.complete ? answer.status : 0;
    }
    static std::multiset<std::string> recorded(std::uint16_t port) {
        std::multiset<std::string> ids;
        exported(port).root().each(
            [&](json::Value decision) { ids.emplace(decision.find("request_id")->as_string()); });
        return ids;
    }
    static RunResult verify(const std::string& folder) {
        return run_binary({"audit", "verify", folder + "/audit", "--key", folder + "/checkpoint.key.pub"});
    }
    static void fill(std::uint16_t port) {
        ASSERT_EQ(post(port, "/api/compliance/hold", R"({"reason":"case 7"})").status / 100, 2);
        ASSERT_EQ(post(port, "/api/contents", R"({"content_id":"tides","body":"The moon pulls the sea."})").status,
                  200);
        ASSERT_EQ(post(port, "/api/users", R"({"user_id":"ann","username":"Ann"})").status / 100, 2);
        ASSERT_EQ(post(port, "/tokens/award", R"({"user_id":"ann","amount":"7.25","reason":"w"})").status / 100, 2);
    }
    static void expect_filled(std::uint16_t port) {
        EXPECT_THAT(get(port, "/api/compliance/hold").body, HasSubstr("case 7"));
        EXPECT_THAT(get(port, "/api/contents/tides").body, HasSubstr("The moon pulls the sea."));
        EXPECT_THAT(get(port, "/query/search?q=moon").body, HasSubstr("tides"));
        EXPECT_THAT(get(port, "/tokens/balance/ann").body, HasSubstr("7.25"));
    }
};

TEST_F(Backup, MadeUnderLoadAndRestoredElsewhereHoldsAllThatWasAnsweredBeforeIt) {
    auto server = start(kYaml);
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const RunResult key = run_binary({"keys", "create", "--name", "kept", "--data-dir=" + folder_.path()});
    ASSERT_EQ(key.status, 0) << key.error;
    fill(port);
    std::vector<std::string> before;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> answered{0};
    std::vector<std::vector<std::string>> seen(3);
    RunResult made;
    {
        std::vector<std::jthread> clients;
        for (std::size_t c = 0; c < seen.size(); ++c) {
            clients.emplace_back([&, c] {
                RawClient client(port);
                for (int i = 0; i < 20'000 && !stop; ++i) {
                    const std::string id = fmt::format("r{}-{}", c, i);
                    if (decide(client, id) != 200) return;
                    seen[c].push_back(id);
                    ++answered;
                }
            });
        }
        // A batch takes 4 KiB at least and holds up to three of these: 255 fill a segment, and a second one is begun.
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
        while (answered < kAnswers && std::chrono::steady_clock::now() < deadline) rest(std::chrono::milliseconds(10));
        EXPECT_GE(answered.load(), kAnswers);
        RawClient client(port);
        for (int i = 0; i < 10; ++i) {
            before.push_back(fmt::format("before-{}", i));
            EXPECT_EQ(decide(client, before.back()), 200);
        }
        made = backup({at("backup"), "--keys", at("keys")});
        stop = true;
    }
    EXPECT_EQ(made.status, 0) << made.out << made.error;
    EXPECT_THAT(made.out, HasSubstr("the copy was read again and holds"));
    EXPECT_FALSE(files::exists(at("backup") + "/master.key")) << "secret keys are kept apart";
    server->kill_now();

    const std::string fresh = at("fresh");
    files::copy(at("backup"), fresh, files::copy_options::recursive);
    files::copy(at("keys"), fresh, files::copy_options::recursive);
    const RunResult judged = verify(fresh);
    EXPECT_EQ(judged.status, 0) << judged.out << judged.error;

    std::ofstream(fresh + "/tidegate.yaml") << kYaml;
    auto restored = ServerProcess::start(fresh, {"--config=" + fresh + "/tidegate.yaml"});
    ASSERT_NE(restored, nullptr);
    const std::multiset<std::string> there = recorded(restored->port());
    for (const std::string& id : before) EXPECT_EQ(there.count(id), 1U) << id;
    // Of each client's answers a beginning is there, and once: what came later than the backup is not.
    for (const auto& list : seen) {
        bool missing = false;
        for (const std::string& id : list) {
            EXPECT_LE(there.count(id), 1U) << id;
            EXPECT_FALSE(missing && there.contains(id)) << id << " is there and one before it is not";
            missing = missing || !there.contains(id);
        }
    }
    EXPECT_GE(there.size(), kAnswers);
    const auto state = [&] { return std::string(health(restored->port()).root().find("status")->as_string()); };
    EXPECT_EQ(ask_until(state, [](const std::string& now) { return now == "ok"; }), "ok");
    expect_filled(restored->port());
    EXPECT_FALSE(files::exists(at("backup") + "/content/vectors.db")) << "it is made of the texts again";
    const std::string bearer = "Bearer " + key.out.substr(0, key.out.find('\n'));
    EXPECT_EQ(get(restored->port(), "/api/v1/usage", {{"Authorization", bearer}}).status, 200) << "keys are restored";
    EXPECT_EQ(get(restored->port(), "/api/v1/usage", {{"Authorization", bearer + "x"}}).status, 401);
    RawClient client(restored->port());
    EXPECT_EQ(decide(client, "after"), 200);
    EXPECT_EQ(recorded(restored->port()).size(), there.size() + 2) << "the search and this one";
    restored->stop(SIGTERM, 60);
    const RunResult again = verify(fresh);
    EXPECT_EQ(again.status, 0) << again.out << again.error;
}

TEST_F(Backup, OfAServerThatStandsStillIsTheSameAndIntoAFolderThatHoldsSomethingIsRefused) {
    {
        auto server = start(kYaml);
        ASSERT_NE(server, nullptr);
        RawClient client(server->port());
        ASSERT_EQ(decide(client, "one"), 200);
        server->stop(SIGTERM, 60);
    }
    const RunResult made = backup({at("backup")});
    EXPECT_EQ(made.status, 0) << made.error;
    EXPECT_THAT(made.out, HasSubstr("1 records, 1 segment(s)"));
    EXPECT_THAT(made.out, HasSubstr("the secret keys are not in it"));
    EXPECT_EQ(verify(at("backup")).status, 0);
    EXPECT_THAT(SystemDisk().read(at("backup/backup.json"), 65'536).value_or(""), HasSubstr(R"("end_leaf":1)"));
    const RunResult second = backup({at("backup")});
    EXPECT_EQ(second.status, 1);
    EXPECT_THAT(second.error, HasSubstr("is not an empty folder"));
    const RunResult inside = backup({at("c"), "--keys", at("c/keys")});
    EXPECT_EQ(inside.status, 1);
    EXPECT_THAT(inside.error, HasSubstr("keep them apart"));
    EXPECT_EQ(backup({at("d"), "--keys", at("d") + "/."}).status, 1);
    // A secret key is one under any name that the settings give it.
    std::ofstream(at("listener.pem")) << "a secret";
    std::ofstream(at("note.txt")) << "no secret";
    ASSERT_EQ(backup({at("e"), "--server.tls_key=" + at("listener.pem")}).status, 0);
    EXPECT_FALSE(files::exists(at("e/listener.pem")));
    EXPECT_TRUE(files::exists(at("e/note.txt")));
    EXPECT_EQ(backup({}).status, 2);
    EXPECT_EQ(backup({at("a"), "--keys"}).status, 2);
    EXPECT_EQ(run_binary({"backup", at("b"), "--data-dir=" + at("nothing-here")}).status, 1);
}

TEST_F(Backup, ADamagedLogIsNotTakenForABackup) {
    {
        auto server = start(kYaml);
        ASSERT_NE(server, nullptr);
        RawClient client(server->port());
        for (int i = 0; i < 5; ++i) ASSERT_EQ(decide(client, fmt::format("r-{}", i)), 200);
        ask_until([&] { return get(server->port(), "/api/compliance/checkpoint?format=json").body; },
                  [](const std::string& body) { return body.contains("\"size\":5"); });
        server->stop(SIGTERM, 60);
    }
    {
        std::fstream segment(at("audit/000000000001.segment"), std::ios::in | std::ios::out | std::ios::binary);
        segment.seekp(4096 + 200);
        segment.write("damaged", 7);
    }
    const RunResult made = backup({at("backup")});
    EXPECT_EQ(made.status, 1);
    EXPECT_THAT(made.error, HasSubstr("the copy of the log does not hold"));
}

}  // namespace
}  // namespace tidegate::testing
