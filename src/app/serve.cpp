// `tidegate serve`: start, wait for a signal, leave in order.
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "app/commands.h"
#include "app/server.h"
#include "runtime/service_manager.h"

namespace tidegate::app {
namespace {

// Blocked before the first thread starts, so that every thread inherits the mask and sigwait() is the only
// receiver.
sigset_t block_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // A client that leaves is an error of a write, not of the process.
    return set;
}

/// The next of the signals; 0: `wait_max` has passed without one.
int next_signal(const sigset_t& set, std::optional<Duration> wait_max) {
    int number = 0;
    if (!wait_max) return sigwait(&set, &number) == 0 ? number : 0;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*wait_max);
    const timespec wait{seconds.count(), std::chrono::nanoseconds(*wait_max - seconds).count()};
    return std::max(0, sigtimedwait(&set, nullptr, &wait));
}

void wait_for_end(const sigset_t& set, TidegateServer& server, const runtime::ServiceManager& manager) {
    // Half of the time is for the loops to answer in.
    std::optional<Duration> turn = manager.watchdog();
    if (turn) *turn /= 4;
    for (;;) {
        const int number = next_signal(set, turn);
        if (number == 0) {
            if (turn && server.loops_turn(*turn * 2)) manager.alive();
            continue;
        }
        if (number != SIGHUP) return;
        server.reopen_logs();
        server.log().line(observe::Level::kInfo, "log_reopened");
    }
}

// The second signal ends the process at once: whoever sends it does not want to wait.
void let_second_signal_kill() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT}) {
        std::signal(number, SIG_DFL);
        sigaddset(&set, number);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

int run_serve(const Invocation& invocation) {
    if (!invocation.words.empty()) return wrong_use("serve does not know `" + invocation.words.front() + "`");
    // What it writes (records, keys, databases) is nobody else's.
    ::umask(077);
    const sigset_t signals = block_signals();
    auto server =
        TidegateServer::create(invocation.settings, settings::render_described(invocation.table, invocation.resolved));
    if (!server) {
        fmt::print(stderr, "tidegate: cannot start: {}\n", server.error().message);
        return 1;
    }
    const auto manager = runtime::ServiceManager::from_environment();
    (*server)->start();
    manager.ready();
    wait_for_end(signals, **server, manager);
    manager.stopping();
    let_second_signal_kill();
    (*server)->shutdown(invocation.settings.server.drain_max);
    return 0;
}

int run_openapi(const Invocation& invocation) {
    if (!invocation.words.empty()) return wrong_use("openapi takes no words");
    // The document comes from the route table of a server that is built and never started.
    std::string folder = "/tmp/tidegate-openapi-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) return wrong_use("cannot make a temporary folder");
    AppSettings settings = invocation.settings;
    settings.process.data_dir = folder;
    settings.process.log_level = "off";
    settings.server.address = "127.0.0.1";
    settings.server.port = 0;
    settings.audit.store = "segments";
    settings.audit.folder.clear();
    settings.audit.segment_bytes = 1024 * 1024;
    auto server = TidegateServer::create(settings);
    const std::optional<std::string> document = server ? std::optional((*server)->openapi()) : std::nullopt;
    const std::string reason = server ? "" : server.error().message;
    if (server) server->reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    if (!document) {
        fmt::print(stderr, "tidegate: cannot build the server: {}\n", reason);
        return 1;
    }
    fmt::print("{}\n", *document);
    return 0;
}

}  // namespace tidegate::app
