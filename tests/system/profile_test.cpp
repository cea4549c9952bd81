// Profiles over the network: an admin key, one at a time, names, the tree of a flame graph, and `go tool pprof` itself.
#include <filesystem>
#include <thread>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

class ProfileRoutes : public GateFixture {
  protected:
    void SetUp() override {
#if !defined(__x86_64__) || !defined(__GLIBC__)
        GTEST_SKIP() << "stacks are read on x86-64 Linux only";
#endif
        const RunResult made =
            run_binary({"keys", "create", "--name", "ops", "--scope", "admin", "--data-dir=" + folder_.path()});
        ASSERT_EQ(made.status, 0) << made.error;
        key_ = made.out.substr(0, made.out.find('\n'));
        server_ = start(settings({}));
        ASSERT_NE(server_, nullptr);
    }
    RawResponse ask(const std::string& target) const {
        return get(server_->port(), target, {{"Authorization", "Bearer " + key_}});
    }
    /// Keeps the server at work until it is told to end.
    std::thread load(std::atomic<bool>& ended) const {
        return std::thread([this, &ended] {
            RawClient client(server_->port());
            for (int i = 0; !ended; ++i) {
                client.ask(request_text("POST", "/api/v1/detect/text",
                                        text_body("A text to look at, and it is number " + std::to_string(i) + "."),
                                        {{"Content-Type", "application/json"}}));
            }
        });
    }
    std::string key_;
    Process server_;
};

TEST_F(ProfileRoutes, NobodyReadsThemWithoutAnAdminKey) {
    for (const std::string route : {"", "profile", "heap", "contention", "mutex", "cmdline", "symbol", "flame"}) {
        EXPECT_EQ(get(server_->port(), "/debug/pprof/" + route).status, 401) << route;
    }
    EXPECT_EQ(ask("/debug/pprof/").status, 200);
    const int heap = ask("/debug/pprof/heap").status;
    EXPECT_TRUE(heap == 200 || heap == 501) << heap << ": 501 with a sanitizer's allocator";
    EXPECT_EQ(ask("/debug/pprof/profile?seconds=61").status, 422);
    EXPECT_EQ(ask("/debug/pprof/profile?seconds=0").status, 422);
    EXPECT_EQ(ask("/debug/pprof/flame?last=true").status, 404) << "none has been taken";
    EXPECT_EQ(ask("/debug/pprof/symbol").body, "num_symbols: 1\n");
    const std::string line = ask("/debug/pprof/cmdline").body;
    EXPECT_NE(line.find("tidegate"), std::string::npos);
    EXPECT_EQ(line.find(folder_.path()), std::string::npos) << "values are left out: " << line;
}

TEST_F(ProfileRoutes, AHeapProfileSaysWhoHoldsMemory) {
    const RawResponse answer = ask("/debug/pprof/heap");
    if (answer.status == 501) GTEST_SKIP() << "a build with a sanitizer has that one's allocator";
    ASSERT_EQ(answer.status, 200);
    for (const std::string_view word : {"inuse_space", "alloc_space", "tidegate::"}) {
        EXPECT_NE(answer.body.find(word), std::string::npos) << word;
    }
}

TEST_F(ProfileRoutes, AFlameGraphNamesThreadsAndFunctions) {
    std::atomic<bool> ended{false};
    std::thread busy = load(ended);
    const RawResponse answer = ask("/debug/pprof/flame?seconds=5");
    ended = true;
    busy.join();
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json::Document flame = parse_json(answer.body);
    const json::Value root = *flame.root().find("root");
    EXPECT_EQ(root.find("name")->as_string(), "all");
    EXPECT_GT(root.find("total")->as_int(), 0);
    EXPECT_NE(answer.body.find("\"loop:"), std::string::npos);
    EXPECT_NE(answer.body.find("tidegate::"), std::string::npos) << "functions have names";
    EXPECT_EQ(ask("/debug/pprof/flame?last=true").body, answer.body);
    EXPECT_EQ(metric(server_->port(), "tidegate_profiles_total"), 1);
}

TEST_F(ProfileRoutes, OneAtATime) {
    // Whichever of the two comes second is refused.
    std::atomic<int> first{0};
    std::thread other([&] { first = ask("/debug/pprof/profile?seconds=5").status; });
    const auto second = ask_until([&] { return ask("/debug/pprof/profile?seconds=1"); },
                                  [&](const auto& answer) { return answer.status == 503 || first == 503; });
    other.join();
    EXPECT_TRUE(second.status == 503 || first == 503);
    if (second.status == 503) {
        EXPECT_FALSE(second.header("retry-after").empty());
    }
}

TEST_F(ProfileRoutes, AServerThatStopsEndsTheProfile) {
    std::atomic<int> status{0};
    std::atomic<bool> stopping{false};
    // Where the short one below was first this one is refused, and asks again.
    std::thread other([&] {
        do {
            status = ask("/debug/pprof/profile?seconds=60").status;
        } while (status == 503 && !stopping);
    });
    ask_until([&] { return ask("/debug/pprof/profile?seconds=1").status; }, [](int s) { return s == 503; });
    stopping = true;
    EXPECT_EQ(server_->stop(SIGTERM, 60), 0) << server_->log();
    other.join();
    EXPECT_EQ(status, 503);
}

TEST_F(ProfileRoutes, GoToolPprofReadsThemFromTheServer) {
    const std::string go = "/usr/lib/go-1.19/bin/go";
    if (!std::filesystem::exists(go)) GTEST_SKIP() << "no go here: tools/apt.txt, golang-1.19-go";
    std::atomic<bool> ended{false};
    std::thread busy = load(ended);
    const std::string url = "http://key:" + key_ + "@127.0.0.1:" + std::to_string(server_->port()) + "/debug/pprof/";
    const RunResult cpu = run_program(go, {"tool", "pprof", "-top", "-seconds=5", url + "profile"});
    const RunResult waits = run_program(go, {"tool", "pprof", "-top", url + "mutex"});
    ended = true;
    busy.join();
    EXPECT_EQ(cpu.status, 0) << cpu.error;
    EXPECT_NE(cpu.out.find("Type: cpu"), std::string::npos) << cpu.out;
    EXPECT_NE(cpu.out.find("tidegate::"), std::string::npos) << cpu.out;
    EXPECT_EQ(waits.status, 0) << waits.error;
    EXPECT_NE(waits.out.find("Type: delay"), std::string::npos) << waits.out;
}

TEST_F(ProfileRoutes, GoToolPprofReadsTheHeapFromTheServer) {
    const std::string go = "/usr/lib/go-1.19/bin/go";
    if (!std::filesystem::exists(go)) GTEST_SKIP() << "no go here: tools/apt.txt, golang-1.19-go";
    if (ask("/debug/pprof/heap").status == 501) GTEST_SKIP() << "a build with a sanitizer has that one's allocator";
    std::atomic<bool> ended{false};
    std::thread busy = load(ended);
    // Asked for: what some thousand requests take is drawn from many times.
    ask_until([&] { return metric(server_->port(), "http_requests_total", "handler=\"/api/v1/detect/text\""); },
              [](double count) { return count >= 2000; });
    const std::string url =
        "http://key:" + key_ + "@127.0.0.1:" + std::to_string(server_->port()) + "/debug/pprof/heap";
    const RunResult in_use = run_program(go, {"tool", "pprof", "-top", "-unit=kb", url});
    const RunResult asked_for =
        run_program(go, {"tool", "pprof", "-top", "-unit=kb", "-sample_index=alloc_space", url});
    const RunResult raw = run_program(go, {"tool", "pprof", "-raw", url});
    ended = true;
    busy.join();
    EXPECT_EQ(in_use.status, 0) << in_use.error;
    EXPECT_NE(in_use.out.find("Type: inuse_space"), std::string::npos) << in_use.out;
    EXPECT_EQ(asked_for.status, 0) << asked_for.error;
    EXPECT_NE(asked_for.out.find("Type: alloc_space"), std::string::npos) << asked_for.out;
    EXPECT_NE(asked_for.out.find("tidegate::"), std::string::npos) << asked_for.out;
    EXPECT_EQ(raw.status, 0) << raw.error;
    EXPECT_NE(raw.out.find("PeriodType: space bytes"), std::string::npos) << raw.out.substr(0, 500);
    EXPECT_NE(raw.out.find("Period: 524288"), std::string::npos) << raw.out.substr(0, 500);
}

}  // namespace
}  // namespace tidegate::testing
