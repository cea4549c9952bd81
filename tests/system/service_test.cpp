// The server as a service: what it tells systemd and when, and what `tidegate health` says of it.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "system/gate.h"

namespace tidegate::testing {
namespace {

using ::testing::HasSubstr;

class Service : public GateFixture {
  protected:
    void TearDown() override {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC"}) ::unsetenv(name);
        if (socket_ >= 0) ::close(socket_);
    }
    /// As systemd does it for Type=notify: the servers that are started from now on are told where to speak.
    void listen() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder_.path() + "/notify";
        std::memcpy(address.sun_path, path.c_str(), path.size());
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    /// The next word; empty when none comes within 60 s.
    std::string next() const {
        pollfd waiting{socket_, POLLIN, 0};
        if (::poll(&waiting, 1, 60'000) != 1) return {};
        std::array<char, 256> bytes{};
        const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
        return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
    }

  private:
    int socket_ = -1;
};

TEST_F(Service, SaysThatItIsReadyWhenItAnswersLivesWhileItsLoopsTurnAndSaysThatItEnds) {
    ASSERT_NO_FATAL_FAILURE(listen());
    ::setenv("WATCHDOG_USEC", "4000000", 1);
    const auto server = start("");
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(next(), "READY=1");
    EXPECT_EQ(get(server->port(), "/ready").status, 200);
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_EQ(server->stop(SIGTERM, 60), 0);
    std::string last;
    for (int i = 0; i < 1000 && last != "STOPPING=1"; ++i) last = next();
    EXPECT_EQ(last, "STOPPING=1");
}

TEST_F(Service, HealthSaysWhetherTheServerOfTheSettingsAnswers) {
    auto server = start("");
    ASSERT_NE(server, nullptr);
    const std::string port = std::to_string(server->port());
    const RunResult ready = run_binary({"health", "--port", port});
    EXPECT_EQ(ready.status, 0) << ready.error;
    EXPECT_THAT(ready.out, HasSubstr(R"(200 {"status":"ready"})"));
    EXPECT_EQ(run_binary({"health", "--port", port, "--path", "/live", "--address", "0.0.0.0"}).status, 0);
    EXPECT_EQ(run_binary({"health", "--port", port, "--path", "/no-such-path"}).status, 1);
    EXPECT_EQ(run_binary({"health", "--port", port, "--path", "relative"}).status, 2);
    server->stop(SIGTERM, 60);
    const RunResult gone = run_binary({"health", "--port", port});
    EXPECT_EQ(gone.status, 1);
    EXPECT_THAT(gone.error, HasSubstr("port " + port));
}

}  // namespace
}  // namespace tidegate::testing
