// What happens to the record when its disk is full, its process is killed, its folder is put back or taken twice, and its views are
// lost: each by the real server, each with the outcome that docs/audit.md promises.
#include <csignal>
#include <filesystem>
#include <set>

#include "support/small_disk.h"
#include "system/gate.h"

namespace tidegate::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class AuditFaults : public GateFixture {
  protected:
    // Small segments, so that a full disk is met soon; a checkpoint soon after each record.
    static constexpr const char* kSmall = "audit:\n  checkpoint_interval_s: 0.05\n  segment_bytes: 1MiB\n";

    static void SetUpTestSuite() { SmallDisk::prepare(); }

    struct Answer {
        int status = 0;
        std::string request;
        bool retry_after = false;
    };
    static Answer decide(RawClient& client) {
        const RawResponse answer = client.ask(
            request_text("POST", "/api/v1/detect/text", text_body(kHumanText), {{"Content-Type", "application/json"}}));
        return {answer.status, answer.header("x-request-id"), !answer.header("retry-after").empty()};
    }
    static Answer decide(std::uint16_t port) {
        RawClient client(port);
        return decide(client);
    }
    static bool is_degraded(std::uint16_t port) {
        return health(port).root().find("decisions")->find("degraded")->as_bool();
    }
    static std::string state(std::uint16_t port) {
        return std::string(health(port).root().find("status")->as_string());
    }
    static std::int64_t gap(std::uint16_t port) {
        return health(port).root().find("decisions")->find("gap_records")->as_int();
    }
    static std::int64_t gap_metric(std::uint16_t port) {
        return static_cast<std::int64_t>(metric(port, "tidegate_audit_gap_total "));
    }
    static std::string ask(std::uint16_t port, const std::string& target) {
        const RawResponse answer = get(port, target);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.body;
    }
    static std::string ask_post(std::uint16_t port, const std::string& target, const std::string& body) {
        const RawResponse answer = post(port, target, body);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return answer.body;
    }
    /// The request ids of all decisions on record.
    static std::multiset<std::string> recorded(std::uint16_t port) {
        std::multiset<std::string> ids;
        exported(port).root().each([&](json::Value one) { ids.emplace(one.find("request_id")->as_string()); });
        return ids;
    }
    /// What the events `gap` of the log add up to.
    static std::int64_t gap_of_events(std::uint16_t port) {
        std::int64_t lost = 0;
        const auto ask = [port] {
            return post(port, "/api/compliance/query", R"({"kind":"event","service":"audit","operation":"gap"})");
        };
        each_in(until_given(ask, json::Kind::kObject).root(), "results", [&](json::Value event) {
            lost += event.find("output")->find("records_lost")->as_int();
            EXPECT_FALSE(event.find("output")->find("reason")->as_string().empty());
        });
        return lost;
    }
    std::string write(const std::string& name, std::string_view text) const {
        const std::string path = folder_.path() + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    /// The public key as the server gives it, in a file.
    std::string key_file(std::uint16_t port) const {
        ask_until([&] { return get(port, "/api/compliance/checkpoint").status; }, [](int got) { return got == 200; });
        const json::Document document = parse_json(ask(port, "/api/compliance/checkpoint?format=json"));
        return write("log.pub", std::string(document.root().find("verifier_key")->as_string()) + "\n");
    }
    /// The same of a new server: a first decision is what the first checkpoint is about.
    std::string key_file_after_one(std::uint16_t port) const {
        EXPECT_EQ(decide(port).status, 200);
        return key_file(port);
    }
    /// A window ends with the minute, which may end meanwhile.
    static std::string without_window(std::string text) {
        const std::size_t at = text.find("\"window\":");
        return at == std::string::npos ? text : text.erase(at, text.find('}', at) - at);
    }
    static void expect_sound_and_complete(const std::string& log, const std::string& key) {
        const RunResult found = run_binary({"audit", "verify", log, "--key", key, "--json"});
        EXPECT_EQ(found.status, 0) << found.out << found.error;
        EXPECT_NE(found.out.find(R"("integrity":"sound")"), std::string::npos) << found.out;
        EXPECT_NE(found.out.find(R"("completeness":"complete")"), std::string::npos) << found.out;
    }
    /// A server whose whole data folder lies on a small disk; null where none can be had.
    Process start_on(const SmallDisk& disk, const std::string& more) const {
        return start_in(disk.path(), kSmall + more);
    }
    std::string disk_path() const { return folder_.path() + "/disk"; }
};

#define NEED_SMALL_DISK() \
    if (!SmallDisk::available()) GTEST_SKIP() << "this user may not mount a file system to be filled"

TEST_F(AuditFaults, AFullDiskRefusesAnswersLosesNothingAndIsGotOverAlone) {
    NEED_SMALL_DISK();
    const SmallDisk disk(disk_path(), 24);
    ASSERT_TRUE(disk.mounted());
    const Process server = start_on(disk, "");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const std::string key = key_file_after_one(port);
    std::set<std::string> answered;
    disk.fill();
    Answer last;
    RawClient client(port);
    // The segments that lie ready are used up: 3 MiB, in batches of 4 KiB.
    for (int i = 0; i < 3000 && (last = decide(client)).status == 200; ++i) answered.insert(last.request);
    EXPECT_EQ(last.status, 503);
    EXPECT_TRUE(last.retry_after);
    expect_problem(get(port, "/ready"), 503, "unavailable");
    EXPECT_EQ(get(port, "/live").status, 200);
    EXPECT_EQ(state(port), "degraded");
    EXPECT_TRUE(is_degraded(port));
    EXPECT_EQ(metric(port, "tidegate_audit_degraded "), 1);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(decide(client).status, 503);
    EXPECT_EQ(gap(port), 0) << "nobody was answered without a record";

    disk.make_room();
    const Answer again = ask_until([&] { return decide(port); }, [](const Answer& one) { return one.status == 200; });
    ASSERT_EQ(again.status, 200) << server->log();
    answered.insert(again.request);
    EXPECT_EQ(get(port, "/ready").status, 200);
    EXPECT_EQ(ask_until([&] { return state(port); }, [](const std::string& now) { return now == "ok"; }), "ok")
        << ask(port, "/health");
    const std::multiset<std::string> kept = recorded(port);
    for (const std::string& id : answered) EXPECT_EQ(kept.count(id), 1U) << id;
    EXPECT_EQ(gap_of_events(port), 0);
    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    expect_sound_and_complete(disk.path() + "/audit", key);
}

TEST_F(AuditFaults, AFullDiskThatMayBeGoneOnWithIsAnsweredCountedAndWrittenDown) {
    NEED_SMALL_DISK();
    const SmallDisk disk(disk_path(), 24);
    ASSERT_TRUE(disk.mounted());
    const Process server = start_on(disk, "  when_failing: go_on\n");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const std::string key = key_file_after_one(port);
    disk.fill();
    RawClient client(port);
    std::int64_t answered = 1;
    for (int i = 0; i < 3000; ++i) {
        ASSERT_EQ(decide(client).status, 200) << "at " << i;
        ++answered;
        if (i % 50 == 0 && is_degraded(port)) break;
    }
    ASSERT_TRUE(is_degraded(port));
    for (int i = 0; i < 20; ++i, ++answered) EXPECT_EQ(decide(client).status, 200);
    EXPECT_EQ(get(port, "/ready").status, 200);
    EXPECT_EQ(state(port), "degraded");
    EXPECT_GE(gap(port), 20);
    EXPECT_EQ(gap_metric(port), gap(port));

    disk.make_room();
    const auto decide_on = [&] {
        answered += decide(port).status == 200 ? 1 : 0;
        return is_degraded(port);
    };
    ask_until(decide_on, [](bool degraded) { return !degraded; });
    ASSERT_FALSE(is_degraded(port)) << server->log();
    // The next record shows the event its way.
    EXPECT_EQ(decide(port).status, 200);
    ++answered;
    const std::int64_t lost = gap(port);
    EXPECT_EQ(ask_until([&] { return gap_of_events(port); }, [&](std::int64_t told) { return told == lost; }), lost);
    EXPECT_EQ(static_cast<std::int64_t>(recorded(port).size()) + lost, answered) << "each is on record or counted";
    EXPECT_EQ(ask_until([&] { return state(port); }, [](const std::string& now) { return now == "ok"; }), "ok")
        << ask(port, "/health");
    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    expect_sound_and_complete(disk.path() + "/audit", key);
}

TEST_F(AuditFaults, AnswersThatDoNotWaitAreAllOnRecordOrCountedAsAGap) {
    NEED_SMALL_DISK();
    const SmallDisk disk(disk_path(), 24);
    ASSERT_TRUE(disk.mounted());
    Process server = start_on(disk, "  answer_after: accepted\n");
    ASSERT_NE(server, nullptr);
    const std::uint16_t port = server->port();
    const std::string key = key_file_after_one(port);
    std::int64_t answered = 1;
    RawClient client(port);
    disk.fill();
    for (int i = 0; i < 5000 && decide(client).status == 200; ++i) ++answered;
    EXPECT_TRUE(is_degraded(port)) << "what waits on a disk that takes nothing is refused in the end";
    disk.make_room();
    ASSERT_EQ(ask_until([&] { return decide(port).status; }, [](int status) { return status == 200; }), 200);
    ++answered;
    const std::int64_t lost = gap(port);
    EXPECT_GE(lost, 1) << "the answer before the failure was out already";
    EXPECT_EQ(ask_until([&] { return gap_of_events(port); }, [&](std::int64_t told) { return told == lost; }), lost);
    // A refused one is on record nowhere; an answered one is, unless it is in the gap: once it is written, for which nobody has waited.
    const auto told = [&] { return static_cast<std::int64_t>(recorded(port).size()) + lost; };
    EXPECT_EQ(ask_until(told, [&](std::int64_t now) { return now >= answered; }), answered);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(decide(client).status, 200);
    answered += 50;
    ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
    expect_sound_and_complete(disk.path() + "/audit", key);
    server = start_on(disk, "");
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(static_cast<std::int64_t>(recorded(server->port()).size()) + lost, answered) << "a stop loses none";
}

TEST_F(AuditFaults, AKilledServersRecordIsSoundCompleteAndHoldsAllThatWasAnswered) {
    std::set<std::string> answered;
    std::string key;
    for (int round = 0; round < 5; ++round) {
        SCOPED_TRACE(round);
        const Process server = start(kSmall);
        ASSERT_NE(server, nullptr);
        if (round == 0) key = key_file_after_one(server->port());
        std::atomic<int> count{0};
        std::vector<std::vector<std::string>> ids(3);
        {
            std::vector<std::jthread> load;
            for (auto& mine : ids) {
                load.emplace_back([&count, &mine, port = server->port()] {
                    RawClient client(port);
                    for (Answer one = decide(client); one.status == 200; one = decide(client)) {
                        mine.push_back(one.request);
                        ++count;
                    }
                });
            }
            const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (count < 100 + 37 * round && std::chrono::steady_clock::now() < give_up) rest(milliseconds(1));
            server->kill_now();
        }
        for (const auto& mine : ids) answered.insert(mine.begin(), mine.end());
        expect_sound_and_complete(folder_.path() + "/audit", key);
    }
    const Process server = start(kSmall);
    ASSERT_NE(server, nullptr);
    const std::multiset<std::string> kept = recorded(server->port());
    EXPECT_GE(answered.size(), 5U * 100);
    for (const std::string& id : answered) EXPECT_EQ(kept.count(id), 1U) << id;
}

TEST_F(AuditFaults, AnOldRecordThatWasPutBackIsFoundByANewerCheckpoint) {
    const std::string log = folder_.path() + "/audit";
    const std::string old = folder_.path() + "/old";
    Process server = start(kSmall);
    ASSERT_NE(server, nullptr);
    const std::string key = key_file_after_one(server->port());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(decide(server->port()).status, 200);
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    fs::copy(log, old, fs::copy_options::recursive);
    server = start(kSmall);
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(decide(server->port()).status, 200);
    const auto covers = [&] {
        return parse_json(ask(server->port(), "/api/compliance/checkpoint?format=json")).root().find("size")->as_int();
    };
    ASSERT_GE(ask_until(covers, [](std::int64_t size) { return size >= 41; }), 41);
    const std::string note = write("newer.checkpoint", ask(server->port(), "/api/compliance/checkpoint"));
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    EXPECT_EQ(run_binary({"audit", "verify", log, "--key", key, "--checkpoint", note}).status, 0);
    fs::remove_all(log);
    fs::copy(old, log, fs::copy_options::recursive);
    expect_sound_and_complete(log, key);
    const RunResult found = run_binary({"audit", "verify", log, "--key", key, "--checkpoint", note, "--json"});
    EXPECT_EQ(found.status, 1) << found.out << found.error;
    EXPECT_EQ(found.out.find(R"("completeness":"complete")"), std::string::npos) << found.out;
}

TEST_F(AuditFaults, TwoServersDoNotWriteOneRecord) {
    const std::string log = folder_.path() + "/shared";
    const Process server = start(kSmall, {"--audit.folder=" + log});
    ASSERT_NE(server, nullptr);
    const TemporaryFolder other;
    const RunResult second = run_binary({"serve", "--port", "0", "--data-dir", other.path(), "--audit.folder=" + log});
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.error.find(log), std::string::npos) << second.error;
    EXPECT_EQ(decide(server->port()).status, 200);
}

TEST_F(AuditFaults, DamagedStatisticsArePutAsideAndCountedAgain) {
    Process server = start(kSmall);
    ASSERT_NE(server, nullptr);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(decide(server->port()).status, 200);
    const std::string figures = without_window(ask(server->port(), "/api/v1/analyze/stats?days=7"));
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    write("audit/statistics.db", std::string(20'000, '?'));
    server = start(kSmall);
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(without_window(ask(server->port(), "/api/v1/analyze/stats?days=7")), figures);
    EXPECT_TRUE(fs::exists(folder_.path() + "/audit/statistics.db.damaged"));
}

TEST_F(AuditFaults, AViewThatIsLostIsMadeAgainWithTheSameFigures) {
    Process server = start(kSmall);
    ASSERT_NE(server, nullptr);
    const std::string key = key_file_after_one(server->port());
    std::string id;
    for (int i = 0; i < 40; ++i) {
        const RawResponse answer =
            post(server->port(), "/api/v1/detect/text", text_body(std::string(kHumanText) + std::to_string(i)));
        id = parse_json(answer.body).root().find("analysis_id")->as_string();
    }
    const auto receipt = [&] {
        return ask_until([&] { return get(server->port(), "/api/compliance/receipt/" + id).status; },
                         [](int status) { return status == 200; });
    };
    EXPECT_EQ(receipt(), 200);
    const auto figures = [&] {
        const std::uint16_t port = server->port();
        return std::vector<std::string>{ask(port, "/api/compliance/statistics?service=provenance"),
                                        ask_post(port, "/api/compliance/query", R"({"limit":30})"),
                                        ask_post(port, "/api/compliance/export", R"({"format":"csv"})"),
                                        ask(port, "/api/v1/analyze/stats?days=7"),
                                        ask(port, "/api/compliance/tiles/tile/0/000.p/20")};
    };
    std::vector<std::string> before = figures();
    // Reading is an event: what counts them moves, what counts decisions does not.
    const auto without_events = [](std::string text) {
        const std::size_t at = text.find("\"events\":");
        return at == std::string::npos ? text : text.erase(at, text.find_first_of(",}", at) - at);
    };
    before[0] = without_events(before[0]);
    before[3] = without_window(before[3]);
    for (const std::string view : {"columns", "statistics.db", "tiles", "ingest"}) {
        SCOPED_TRACE(view);
        ASSERT_EQ(server->stop(SIGTERM, 60), 0) << server->log();
        std::size_t removed = 0;
        const std::string name = folder_.path() + "/audit/" + view;
        for (const char* tail : {"", "-wal", "-shm"}) removed += fs::remove_all(name + tail);
        EXPECT_GT(removed, 0U) << "there is no such view any more";
        server = start(kSmall);
        ASSERT_NE(server, nullptr);
        std::vector<std::string> after = figures();
        after[0] = without_events(after[0]);
        after[3] = without_window(after[3]);
        for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i], before[i]) << i;
        EXPECT_EQ(receipt(), 200);
        const auto now = [&] { return state(server->port()); };
        EXPECT_EQ(ask_until(now, [](const std::string& word) { return word == "ok"; }), "ok")
            << ask(server->port(), "/health");
    }
    ASSERT_EQ(server->stop(SIGTERM, 60), 0);
    expect_sound_and_complete(folder_.path() + "/audit", key);
}

}  // namespace
}  // namespace tidegate::testing
