// `tidegate health`: does the server of these settings answer? For container health checks and scripts; needs no other program.
#include <fmt/core.h>

#include <memory>

#include "app/commands.h"
#include "app/gathered_answer.h"
#include "http/client/client.h"
#include "http/client/client_counters.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::app {
namespace {

// Docker's and systemd's own patience is tens of seconds; whoever answers at all answers /ready within a few.
constexpr auto kWaitMax = std::chrono::seconds(5);
constexpr std::size_t kAnswerShownMax = 2048;

/// The listener of the settings, as this machine reaches it.
http::Origin own_origin(const http::ServerSettings& server) {
    http::Origin origin;
    origin.host = server.address == "0.0.0.0" ? "127.0.0.1" : server.address == "::" ? "::1" : server.address;
    origin.port = server.port;
    origin.tls = !server.tls_certificate.empty();
    origin.verify = false;  // It is asked whether it lives, at an address that its certificate hardly names.
    return origin;
}

}  // namespace

int run_health(const Invocation& invocation) {
    std::string path = "/ready";
    const auto& words = invocation.words;
    if (words.size() == 2 && words[0] == "--path" && words[1].starts_with("/")) {
        path = words[1];
    } else if (!words.empty()) {
        return wrong_use("health takes nothing, or --path and a path such as /live");
    }
    const http::Origin origin = own_origin(invocation.settings.server);
    const SystemClock clock;
    const auto loop = runtime::EventLoop::create(clock);
    if (!loop) {
        fmt::print(stderr, "tidegate: {}\n", loop.error().message);
        return 1;
    }
    runtime::WorkerPool names("resolve", 1, 4);
    http::ClientCounters counters;
    const auto client = http::make_client(**loop, names, {}, counters);
    (*loop)->turn(Duration(0));
    const auto answer = std::make_shared<GatheredAnswer>(kAnswerShownMax);
    http::ClientRequest request;
    request.target = path;
    const http::CallTimes times{
        .connect_max = kWaitMax, .first_byte_max = kWaitMax, .idle_max = kWaitMax, .total_max = kWaitMax};
    client->start(origin, std::move(request), times, answer);
    while (!answer->done) (*loop)->turn(std::chrono::milliseconds(50));
    if (!answer->error.empty()) {
        fmt::print(stderr, "tidegate: {} port {}: {}\n", origin.host, origin.port, answer->error);
        return 1;
    }
    fmt::print("{} {}\n", answer->status, answer->body);
    return answer->status == 200 ? 0 : 1;
}

}  // namespace tidegate::app
