// Out of descriptors: the server neither spins nor dies, and serves again as soon as there are some.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <ctime>

#include "http/test_server.h"

namespace tidegate::http {
namespace {

double cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

TEST(Descriptors, WhenTheyRunOutClientsAreTurnedAwayWithoutSpinning) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
    GTEST_SKIP() << "UBSan's own check of virtual tables opens a pipe, which fails here";
#endif
#endif
    ServerOptions options;
    options.loops = 1;
    TestServer server(std::move(options));
    EXPECT_EQ(server.ask(get("/first")).body, "first");
    RawClient probe = server.connect();
    EXPECT_EQ(probe.ask(get("/probe")).body, "probe");
    // The clients have their sockets before the numbers run out; none is left for the server's side of them.
    std::array<int, 8> clients{};
    for (int& client : clients) client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(clients.back()) + 1;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.server->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const int client : clients) ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().connections_refused.load() >= 3; }));
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    // Three refusals lie two rests of 100 ms apart; a loop that spins would burn all that time.
    EXPECT_GE(waited.count(), 0.15);
    EXPECT_LT(cpu_seconds() - cpu, waited.count() / 2);
    EXPECT_EQ(probe.ask(get("/still")).body, "still");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    for (const int client : clients) ::close(client);
    EXPECT_EQ(server.ask(get("/again")).body, "again");
}

}  // namespace
}  // namespace tidegate::http
