// Out of descriptors: the server neither spins nor dies, and serves again as soon as there are some.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <vector>

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
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    // The client's socket takes the last free number; none is left for the server's side of it.
    RawClient probe = server.connect();
    EXPECT_EQ(probe.ask(get("/probe")).body, "probe");
    std::vector<RawClient> clients;
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(probe.descriptor()) + 12;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 20; ++i) {
        RawClient client = server.connect();
        if (client.descriptor() < 0) break;
        clients.push_back(std::move(client));
    }
    const double cpu = cpu_seconds();
    EXPECT_TRUE(TestServer::eventually([&] { return server.server->counters().connections_refused.load() >= 2; }));
    // Two refusals are at least one rest of 100 ms apart; spinning would burn all of it.
    EXPECT_LT(cpu_seconds() - cpu, 0.09);
    EXPECT_EQ(probe.ask(get("/still")).body, "still");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    clients.clear();
    EXPECT_EQ(server.ask(get("/again")).body, "again");
}

}  // namespace
}  // namespace tidegate::http
