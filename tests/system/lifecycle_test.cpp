// Starting, restarting and leaving: what an operator does at night.
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "system/client.h"

namespace tidegate::testing {
namespace {

TEST(Lifecycle, SigtermAnswersWhatIsInWorkAndEndsWithZero) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    std::atomic<int> good{0};
    std::atomic<int> half{0};
    std::vector<std::jthread> clients;
    for (int c = 0; c < 4; ++c) {
        clients.emplace_back([&, port = server->port()] {
            for (int i = 0; i < 10'000; ++i) {
                RawClient client(port);
                if (!client.connected() ||
                    !client.send(request_text("POST", "/api/v1/detect/text", text_body(kHumanText))))
                    return;
                const RawResponse response = client.response();
                if (response.status == 200) ++(response.complete ? good : half);
                if (!response.complete) return;
            }
        });
    }
    while (good < 20) std::this_thread::yield();
    const int status = server->stop(SIGTERM, 60);
    clients.clear();
    EXPECT_EQ(status, 0);
    EXPECT_EQ(half.load(), 0) << "an answer was cut";
}

TEST(Lifecycle, ARestartKeepsTheRecord) {
    const TemporaryFolder folder;
    std::string id;
    {
        auto server = ServerProcess::start(folder.path());
        ASSERT_NE(server, nullptr);
        id = parse_json(post(server->port(), "/api/v1/detect/text", text_body(kHumanText)).body)
                 .root()
                 .find("analysis_id")
                 ->as_string();
        EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    }
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    EXPECT_NE(get(server->port(), "/api/v1/analyze/history").body.find(id), std::string::npos);
}

TEST(Lifecycle, ATakenPortIsSaid) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    const TemporaryFolder other;
    const RunResult second =
        run_binary({"serve", "--port", std::to_string(server->port()), "--data-dir", other.path()});
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.error.find(std::to_string(server->port())), std::string::npos) << second.error;
}

TEST(Lifecycle, AnOpenListenerWithoutIdentityRefusesToStart) {
    const TemporaryFolder folder;
    const RunResult run = run_binary({"serve", "--port", "0", "--data-dir", folder.path(), "--server.address",
                                      "0.0.0.0", "--identity.required", "optional"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.error.find("server.open_network"), std::string::npos) << run.error;
}

TEST(Lifecycle, ADamagedDatabaseRefusesToStart) {
    const TemporaryFolder folder;
    std::ofstream(folder.path() + "/tidegate.db") << std::string(8192, 'x');
    const RunResult run = run_binary({"serve", "--port", "0", "--data-dir", folder.path()});
    EXPECT_EQ(run.status, 1);
    EXPECT_FALSE(run.error.empty());
}

TEST(Lifecycle, SighupOpensTheLogAnew) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/rotated.log";
    auto server = ServerProcess::start(folder.path(), {"--log.level", "info"});
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    // Standard error is where start() looks for the port; the second server logs to a file and takes a known port.
    const std::uint16_t port = server->port();
    server.reset();
    const pid_t pid = ::fork();
    if (pid == 0) {
        const std::string binary = binary_path();
        ::execl(binary.c_str(), binary.c_str(), "serve", "--port", std::to_string(port).c_str(), "--data-dir",
                folder.path().c_str(), "--log.path", path.c_str(), nullptr);
        ::_exit(127);
    }
    const auto answers = [&] { return RawClient(port).connected() && get(port, "/live").status == 200; };
    auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!answers() && std::chrono::steady_clock::now() < give_up) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::filesystem::rename(path, path + ".1");
    ::kill(pid, SIGHUP);
    give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!std::filesystem::exists(path) && std::chrono::steady_clock::now() < give_up) {
        get(port, "/live");
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_TRUE(std::filesystem::exists(path));
    ::kill(pid, SIGTERM);
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(Lifecycle, MetricsCanBeTurnedOff) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path(), {"--metrics.enabled=false"});
    ASSERT_NE(server, nullptr);
    expect_problem(get(server->port(), "/metrics"), 404);
}

TEST(Lifecycle, TlsIsServedWithTheFilesOfTheSettings) {
    const TemporaryFolder folder;
    const std::string key = folder.path() + "/key.pem";
    const std::string certificate = folder.path() + "/certificate.pem";
    const RunResult made =
        run_program("openssl", {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                                "-keyout", key, "-out", certificate});
    ASSERT_EQ(made.status, 0) << made.error;
    auto server =
        ServerProcess::start(folder.path(), {"--server.tls_certificate", certificate, "--server.tls_key", key});
    ASSERT_NE(server, nullptr);
    const std::string url = "https://127.0.0.1:" + std::to_string(server->port()) + "/live";
    const RunResult asked = run_program("curl", {"-sf", "--max-time", "60", "--cacert", certificate, url});
    EXPECT_EQ(asked.out, R"({"status":"alive"})") << asked.error;
    const RunResult half = run_binary({"serve", "--port", "0", "--data-dir", folder.path(), "--server.tls_key", key});
    EXPECT_EQ(half.status, 1);
    EXPECT_NE(half.error.find("server.tls_certificate"), std::string::npos);
}

TEST(Lifecycle, HealthTellsTheTruth) {
    const TemporaryFolder folder;
    auto server = ServerProcess::start(folder.path());
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(get(server->port(), "/live").body, R"({"status":"alive"})");
    EXPECT_EQ(get(server->port(), "/ready").body, R"({"status":"ready"})");
    post(server->port(), "/api/v1/detect/text", text_body(kHumanText));
    const json::Document health = parse_json(get(server->port(), "/health").body);
    EXPECT_EQ(health.root().find("status")->as_string(), "ok");
    EXPECT_EQ(health.root().find("decisions")->find("recorded")->as_int(), 1);
    EXPECT_GT(health.root().find("uptime_s")->as_double(), 0);
}

}  // namespace
}  // namespace tidegate::testing
